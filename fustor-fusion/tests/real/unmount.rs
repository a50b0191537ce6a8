//! A root that is unmounted under an agent and mounted again.

use crate::bed::bytes::{in_view, wait_same};
use crate::bed::peers::Make::Ours;
use crate::bed::process::wait_until;
use crate::bed::site::Site;
use crate::facility::{Facility, is_missing};
use crate::mount::Bind;
use crate::shared::AUDITED;

#[test]
fn what_was_seen_stays_until_there_is_a_root_again() {
    if is_missing(&[Facility::Fuse]) {
        return;
    }
    let site = Site::new(AUDITED);
    site.plant();
    let mount = || Bind::new(&site.tree(), site.place("mounted"));
    let first = mount();
    let _fusion = site.fusion(Ours);
    let _agent = site.agent_on("agent", first.root(), &[]);
    site.wait_ready();
    wait_same(&site, &site.tree());
    let (before, _) = in_view(&site).expect("a picture");

    // Lazily: the agent has it open.
    drop(first);
    site.write("c/meanwhile", "not seen by anybody");
    // What is there instead is another root, which fusion does not believe.
    wait_until("the view says so", || match in_view(&site) {
        Ok((_, answer)) if answer.trust.contains("root_") => Ok(()),
        other => Err(other.map_or_else(|error| error, |(_, answer)| answer.trust)),
    });
    site.status("agent").expect("it answers");
    let (now, _) = in_view(&site).expect("a picture");
    assert_eq!(now, before, "nothing is taken for removed");

    let again = mount();
    wait_same(&site, &site.tree());
    again.write("c/after", "seen");
    wait_same(&site, &site.tree());
    wait_until("the view is whole again", || {
        let (_, answer) = in_view(&site)?;
        if answer.trust.contains("root_") { Err(answer.trust) } else { Ok(()) }
    });
}
