//! The rules of `docs/consistency.md` by name, so that a test can switch one off and see that it is noticed. Without the
//! feature `mutants` every rule holds, which the compiler knows.

/// A rule, named by what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(feature = "mutants"), expect(unreachable_pub, reason = "public for tests only"))]
pub enum Rule {
    /// The order of observations is their key; mtime takes no part.
    MtimeIsNoOrder,
    /// Of observations of one moment the realtime one outranks the scan.
    TiersBreakTies,
    /// What a mount's cache answers may be as old as its window.
    ScansAreDatedBack,
    /// Of equal keys the facts decide, not the order of arrival.
    EqualKeysGoByFacts,
    /// An absence of a directory is one of everything below.
    AncestorsCover,
    /// A tombstone repels older evidence.
    TombstonesRepel,
    /// A directory that enters the tree starts with the absence that it overcame as its floor.
    RebornHaveAFloor,
    /// The newest complete listing is an absence of every name that it lacked.
    ListedIsAnAbsence,
    /// Evidence that something is no directory is an absence of what is below, also when it is stale for the path.
    NoDirectoryBuriesBelow,
    /// Evidence that is buried further down is evidence of the directories above.
    BuriedEvidenceCounts,
    /// Facts that an absence has overtaken go, also where the directory stays.
    OvertakenFactsGo,
    /// Rows of an incomplete listing prove no absence.
    OnlyCompleteListingsJudge,
    /// The proof time lies the cache window and the error of the clock before the stamp.
    ProofHasAMargin,
    /// What outlives a listing that lacked it takes the proof as its floor.
    SurvivorsKeepTheProof,
    /// A listing is judged whatever its age.
    OldListingsJudge,
    /// Evidence between proof and stamp of a listing that lacked it is asked about.
    DoubtIsAskedAbout,
    /// A reading of a caching mount that differs and loses only by the window is asked about.
    LosersByMarginAreAsked,
    /// A listing of a directory with another inode is not one of the directory that is known since.
    ReplacedDirectoriesAreToldApart,
    /// A listing is adopted as a block only where nothing in the directory is newer.
    AdoptionNeedsNothingNewer,
    /// A listing that would remove most of a large tree waits for another that agrees.
    RemovalIsGuarded,
    /// Tombstones that are newer than the removal of their directory outlive it.
    NewerTombstonesStay,
    /// What is older than the horizon is not applied.
    HorizonQueues,
    /// A proof time at or before the horizon judges nothing.
    ProofHasAHorizon,
    /// A tombstone that goes for lack of room raises the horizon of its directory.
    EvictionRaisesTheHorizon,
    /// A tombstone lives as long as the horizon lies behind.
    TombstonesLiveToTheHorizon,
    /// A subtree moves in one step only where nothing on either side is newer.
    MovesOnlyWhatIsOlder,
    /// A subtree moves in one step only if it is the entry that was renamed.
    MovesOnlyTheSameEntry,
    /// A subtree moves in one step only where no absence above either side is newer.
    MovesOnlyBelowOlderAbsences,
    /// What moved along counts as observed at the rename.
    MovedCountsAsSeen,
    /// Older evidence of a place from which something moved is asked about where it went.
    EvidenceFollowsMoves,
    /// A gap that comes late opens where parts of its scope went.
    GapsFollowMoves,
    /// What moves out of the scope of a gap takes the debt along.
    DebtsMoveAlong,
    /// A rename in halves owes a listing of the new place.
    HalvesOweAListing,
    /// Only a listing that began after the gap pays.
    OnlyLaterListingsPay,
    /// Who pays passes the debt on to the directories in it.
    DebtsPassDown,
    /// A gap over a place that is not known yet is remembered.
    GapsAwaitTheirPlace,
    /// What is owed is called in as time passes.
    DebtsAreCalledIn,
    /// Evidence of a storage judges nothing of another.
    StoragesJudgeTheirOwn,
    /// Only news takes a path over from another storage.
    OnlyNewsTakesOver,
    /// Only what is later than the owner's evidence takes a path over.
    OnlyLaterTakesOver,
    /// What is no directory never takes over a directory.
    FilesTakeNoDirectory,
    /// A suspect rests when two observations of the same facts lie the threshold apart.
    RestIsProved,
    /// A change of attributes makes nobody suspect.
    AttributesDoubtNothing,
    /// A finished write is not suspect.
    ClosingEndsDoubt,
    /// A scan that finds a fresh mtime makes a suspect.
    FreshFilesAreDoubted,
    /// Beyond the bound of suspects their directory is suspect.
    DoubtFindsRoom,
    /// What the first listing finds is no blind spot.
    FirstListingIsTheBase,
    /// A realtime event ends a blind spot.
    RealtimeEndsBlindness,
    /// What is seen again, or deleted by the kernel's word, is no blind deletion.
    DeletionsAreSettled,
    /// The storage's clock is read from ctime.
    ClockReadsCtime,
    /// Silence proves rest only where every writer is watched.
    SilenceProvesLittle,
    /// What is suspect is not settled.
    SuspectsAreUnsettled,
    /// A view without an agent is stale.
    DetachedIsStale,
    /// A view that was never completely listed is not trusted.
    UnlistedIsSyncing,
    /// An open gap degrades what lies below.
    GapsDegrade,
    /// A verification that is too old degrades.
    OverdueDegrades,
    /// An agent with another root is not believed.
    OtherRootsAreRefused,
    /// Times of 0.8 that differ by rounding are equal.
    RoundedTimesAreEqual,
    /// What 0.8 says of a symlink or special file changes nothing.
    SpecialFilesStay,
    /// A name of 0.8 with a question mark is the one known name that it can be.
    QuestionMarksAreKnownNames,
    /// Three audits in a row must lack a path.
    ThreeAuditsMustLack,
    /// An audit that finds nothing else in a directory proves nothing.
    AuditsMustFindSomething,
    /// Nothing that somebody else has reported goes on the word of 0.8.
    OnlyHearsayGoes,
    /// A lease is given while no other session has it.
    OneLeaseAtATime,
    /// Each grant has a new number.
    GrantsHaveNewNumbers,
    /// Duties under another number than that of the lease are refused.
    DutiesAreFenced,
    /// A new life of the holder's source gets a new number.
    NewLivesGetNewNumbers,
    /// A source that stands still gives the lease up when another is well.
    StalledSourcesGiveUp,
    /// Time in which fusion stood still costs nobody anything.
    StallsCostNothing,
    /// A session that is silent for its timeout ends.
    SilentSessionsEnd,
    /// A batch is applied once.
    BatchesAreAppliedOnce,
    /// Batches of another life of the source are refused.
    OnlyTheLivingPush,
    /// A number that was passed over for too long is a gap.
    HolesBecomeGaps,
    /// What a lost agent may have missed is a gap.
    AbsenceIsAGap,
    /// What only the agent takes for acknowledged is a gap.
    ForgottenBatchesAreGaps,
    /// The life of a source outlives its session.
    LivesOutliveSessions,
    /// An order is delivered until it is acknowledged.
    OrdersAreDeliveredAgain,
    /// Orders of a holder that is gone move on.
    OrdersMoveOn,
    /// A scan on demand that fails or loses its session goes to the next one.
    JobsMoveOn,
}

#[cfg(feature = "mutants")]
impl Rule {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::MtimeIsNoOrder,
        Self::TiersBreakTies,
        Self::ScansAreDatedBack,
        Self::EqualKeysGoByFacts,
        Self::AncestorsCover,
        Self::TombstonesRepel,
        Self::RebornHaveAFloor,
        Self::ListedIsAnAbsence,
        Self::NoDirectoryBuriesBelow,
        Self::BuriedEvidenceCounts,
        Self::OvertakenFactsGo,
        Self::OnlyCompleteListingsJudge,
        Self::ProofHasAMargin,
        Self::SurvivorsKeepTheProof,
        Self::OldListingsJudge,
        Self::DoubtIsAskedAbout,
        Self::LosersByMarginAreAsked,
        Self::ReplacedDirectoriesAreToldApart,
        Self::AdoptionNeedsNothingNewer,
        Self::RemovalIsGuarded,
        Self::NewerTombstonesStay,
        Self::HorizonQueues,
        Self::ProofHasAHorizon,
        Self::EvictionRaisesTheHorizon,
        Self::TombstonesLiveToTheHorizon,
        Self::MovesOnlyWhatIsOlder,
        Self::MovesOnlyTheSameEntry,
        Self::MovesOnlyBelowOlderAbsences,
        Self::MovedCountsAsSeen,
        Self::EvidenceFollowsMoves,
        Self::GapsFollowMoves,
        Self::DebtsMoveAlong,
        Self::HalvesOweAListing,
        Self::OnlyLaterListingsPay,
        Self::DebtsPassDown,
        Self::GapsAwaitTheirPlace,
        Self::DebtsAreCalledIn,
        Self::StoragesJudgeTheirOwn,
        Self::OnlyNewsTakesOver,
        Self::OnlyLaterTakesOver,
        Self::FilesTakeNoDirectory,
        Self::RestIsProved,
        Self::AttributesDoubtNothing,
        Self::ClosingEndsDoubt,
        Self::FreshFilesAreDoubted,
        Self::DoubtFindsRoom,
        Self::FirstListingIsTheBase,
        Self::RealtimeEndsBlindness,
        Self::DeletionsAreSettled,
        Self::ClockReadsCtime,
        Self::SilenceProvesLittle,
        Self::SuspectsAreUnsettled,
        Self::DetachedIsStale,
        Self::UnlistedIsSyncing,
        Self::GapsDegrade,
        Self::OverdueDegrades,
        Self::OtherRootsAreRefused,
        Self::RoundedTimesAreEqual,
        Self::SpecialFilesStay,
        Self::QuestionMarksAreKnownNames,
        Self::ThreeAuditsMustLack,
        Self::AuditsMustFindSomething,
        Self::OnlyHearsayGoes,
        Self::OneLeaseAtATime,
        Self::GrantsHaveNewNumbers,
        Self::DutiesAreFenced,
        Self::NewLivesGetNewNumbers,
        Self::StalledSourcesGiveUp,
        Self::StallsCostNothing,
        Self::SilentSessionsEnd,
        Self::BatchesAreAppliedOnce,
        Self::OnlyTheLivingPush,
        Self::HolesBecomeGaps,
        Self::AbsenceIsAGap,
        Self::ForgottenBatchesAreGaps,
        Self::LivesOutliveSessions,
        Self::OrdersAreDeliveredAgain,
        Self::OrdersMoveOn,
        Self::JobsMoveOn,
    ];
}

/// Which rules hold: all, but for one that a test may have switched off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    #[cfg(feature = "mutants")]
    broken: Option<Rule>,
}

impl Rules {
    /// Every rule holds.
    pub(crate) const ALL: Self = Self {
        #[cfg(feature = "mutants")]
        broken: None,
    };

    /// All but this one.
    #[cfg(feature = "mutants")]
    pub(crate) const fn but(broken: Option<Rule>) -> Self {
        Self { broken }
    }

    /// Whether a rule holds.
    #[cfg(feature = "mutants")]
    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    /// Whether a rule holds: every one does.
    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn hold(self, _rule: Rule) -> bool {
        true
    }
}
