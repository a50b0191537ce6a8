//! Real file systems and what happens to them: mounts that share, vanish and hang, limits, odd names, faults.

#[path = "../bed/mod.rs"]
mod bed;
mod facility;
mod faults;
mod hang;
mod limits;
mod mount;
mod names;
mod shared;
mod unmount;
