//! Names as people and their programs give them: 24 bytes long on average, unique within a directory.

use std::io::Write;

use crate::rng::mix;
use crate::shape::Shape;

const WORDS: [&str; 16] = [
    "data",
    "raw",
    "analysis",
    "results",
    "alignment",
    "batch",
    "project",
    "model",
    "render",
    "scratch",
    "archive",
    "cohort",
    "train",
    "val",
    "logs",
    "export",
];
const SUFFIXES: [&str; 12] =
    [".py", ".c", ".h", ".rs", ".txt", ".json", ".md", ".csv", ".yaml", ".so", ".o", ".sh"];

/// Appends the name of the directory with this seed, number `index` of its plan.
pub(crate) fn dir_name(shape: Shape, seed: u64, index: usize, out: &mut Vec<u8>) {
    match shape {
        Shape::Mixed => mixed_dir(seed, index, out),
        Shape::Uuid => uuid(seed, out),
        Shape::Huge => out.extend_from_slice(b"huge"),
        Shape::Deep | Shape::Tiny => put(out, format_args!("dir_{index:08}")),
    }
}

/// Appends the name of file `j` of a directory with this seed.
pub(crate) fn file_name(shape: Shape, seed: u64, j: u32, out: &mut Vec<u8>) {
    let random = mix(seed ^ u64::from(j));
    match shape {
        Shape::Mixed => mixed_file(seed, j, random, out),
        Shape::Uuid | Shape::Deep | Shape::Tiny => put(out, format_args!("data_{j:06}.dat")),
        Shape::Huge => put(out, format_args!("{random:016x}.dat")),
    }
}

fn mixed_dir(seed: u64, index: usize, out: &mut Vec<u8>) {
    let word = WORDS[(seed >> 8) as usize % WORDS.len()];
    // The index makes short names unique among siblings.
    match seed % 10 {
        0..=2 => uuid(seed, out),
        3..=4 => {
            let (year, month, day) =
                (15 + seed / 16 % 11, 1 + seed / 256 % 12, 1 + seed / 4096 % 28);
            put(out, format_args!("20{year}-{month:02}-{day:02}_{index:07}"));
        }
        5..=6 => put(out, format_args!("run_{index:08}")),
        _ => put(out, format_args!("{word}_{index:07x}")),
    }
}

fn mixed_file(seed: u64, j: u32, random: u64, out: &mut Vec<u8>) {
    let base = seed >> 32;
    let word = |shift: u32| WORDS[(random >> shift) as usize % WORDS.len()];
    match seed / 10 % 10 {
        0..=1 => put(
            out,
            format_args!("sample_{:06}_R{}.fastq.gz", base % 900_000 + u64::from(j / 2), 1 + j % 2),
        ),
        2 => {
            let (year, month, day) = (10 + base % 15, 1 + base / 16 % 12, 1 + base / 256 % 28);
            put(out, format_args!("IMG_20{year:02}{month:02}{day:02}_{:06}.jpg", j * 37));
        }
        3 => put(out, format_args!("frame_{:08}.exr", u64::from(j) + base % 100_000)),
        4..=5 => {
            let suffix = SUFFIXES[(random >> 8) as usize % SUFFIXES.len()];
            put(out, format_args!("{}_{}{j}{suffix}", word(0), word(4)));
        }
        6 => put(out, format_args!("{random:016x}{:016x}.bin", mix(random))),
        7 => {
            put(out, format_args!("slurm-{}.out", 1_000_000 + base % 1_000_000 + u64::from(j) * 3));
        }
        8 => {
            put(
                out,
                format_args!(
                    "ckpt_epoch_{:04}_step_{:08}.pt",
                    j / 4,
                    u64::from(j) * 500 + base % 500
                ),
            );
        }
        _ => put(out, format_args!("part-{j:05}-{:08x}.snappy.parquet", random as u32)),
    }
}

fn uuid(seed: u64, out: &mut Vec<u8>) {
    let (a, b) = (mix(seed), mix(seed ^ 1));
    let (time, mid, high) = (a >> 32, (a >> 16) & 0xffff, a & 0xfff);
    put(
        out,
        format_args!(
            "{time:08x}-{mid:04x}-4{high:03x}-a{:03x}-{:012x}",
            b >> 52,
            b & 0xffff_ffff_ffff
        ),
    );
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all bytes");
}
