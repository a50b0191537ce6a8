//! Seeded generators of the trees that the benches measure.
