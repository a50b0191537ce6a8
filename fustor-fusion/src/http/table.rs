//! The table of routes: what the router is built from, and what `/openapi.json` tells.

use axum::http::Method;
use axum::routing::MethodRouter;

use crate::receiver::Access;

/// One route. `S` is what its handler needs.
pub(crate) struct Route<S> {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) access: Access,
    /// What it answers, in a few words.
    pub(crate) about: &'static str,
    pub(crate) params: &'static [Param],
    /// The media type of a body, where it takes one.
    pub(crate) body: Option<&'static str>,
    /// Refusals beside those that follow from its access and parameters.
    pub(crate) refusals: &'static [u16],
    pub(crate) handler: MethodRouter<S>,
}

/// A parameter of a query.
#[derive(Clone, Copy)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
}

/// What a parameter is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Base64,
    Number,
    Flag,
    /// One of these.
    Word(&'static [&'static str]),
}

const fn param(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, is_required: false }
}

const fn needed(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, is_required: true }
}

const PATH: Param = param("path", Kind::Text);
const PATH_B64: Param = param("path_b64", Kind::Base64);
const LIMIT: Param = param("limit", Kind::Number);
const REQUIRE: Param = param("require", Kind::Word(&["any", "trusted"]));
const CURSOR: Param = param("cursor", Kind::Text);
const STABLE: Param = param("stable", Kind::Flag);

/// No parameters.
pub(super) const NONE: &[Param] = &[];
pub(super) const TREE: &[Param] = &[
    PATH,
    PATH_B64,
    param("recursive", Kind::Flag),
    param("max_depth", Kind::Number),
    param("only_path", Kind::Flag),
    param("dry_run", Kind::Flag),
    param("on_demand_scan", Kind::Flag),
    param("force_real_time", Kind::Flag),
    REQUIRE,
];
pub(super) const SEARCH: &[Param] = &[needed("pattern", Kind::Text), REQUIRE];
pub(super) const AT_PATH: &[Param] = &[PATH, PATH_B64, REQUIRE];
pub(super) const LIST: &[Param] = &[PATH, PATH_B64, LIMIT, CURSOR, STABLE, REQUIRE];
pub(super) const FIND: &[Param] = &[
    PATH,
    PATH_B64,
    param("name", Kind::Text),
    param("contains", Kind::Text),
    param("regex", Kind::Text),
    param("type", Kind::Text),
    param("min_size", Kind::Number),
    param("max_size", Kind::Number),
    param("newer", Kind::Text),
    param("older", Kind::Text),
    param("depth", Kind::Number),
    LIMIT,
    CURSOR,
    STABLE,
    param("sort", Kind::Word(&["path"])),
    param("format", Kind::Word(&["json", "ndjson"])),
    REQUIRE,
];
pub(super) const SETTLED: &[Param] =
    &[PATH, PATH_B64, param("quiet_sec", Kind::Number), param("wait_sec", Kind::Number), REQUIRE];
pub(super) const CHANGES: &[Param] = &[needed("since", Kind::Text), PATH, PATH_B64, LIMIT, REQUIRE];
pub(super) const EVENTS: &[Param] = &[param("since", Kind::Text), PATH, PATH_B64, REQUIRE];
pub(super) const TOP: &[Param] =
    &[PATH, PATH_B64, param("by", Kind::Word(&["size", "files", "change"])), LIMIT, REQUIRE];
pub(super) const SUSPECTS: &[Param] = &[LIMIT, param("offset", Kind::Number), REQUIRE];
pub(super) const BLIND: &[Param] = &[LIMIT, REQUIRE];
pub(super) const HEALTH: &[Param] = &[REQUIRE];
/// The media type of our bodies.
pub(crate) const JSON: &str = "application/json";

impl<S> Route<S> {
    pub(crate) fn new(
        (method, path): (Method, &str),
        access: Access,
        about: &'static str,
        handler: MethodRouter<S>,
    ) -> Self {
        let path = path.to_owned();
        let (params, body, refusals) = (NONE, None, &[][..]);
        Self { method, path, access, about, params, body, refusals, handler }
    }

    pub(crate) fn with(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    pub(crate) fn taking(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn refusing(mut self, refusals: &'static [u16]) -> Self {
        self.refusals = refusals;
        self
    }
}
