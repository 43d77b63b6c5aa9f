//! The targets' bodies over their seeds and over mutations of these, with any compiler: so that no target rots.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::time::{Duration, Instant};

use bellwether_fuzz::{TARGETS, seeds};

/// How long each target's seeds are mutated.
const TIME: Duration = Duration::from_secs(3);

/// Bytes that mean something in JSON, and some that may not be there.
const JSON: &[u8] = b"{}[],:\"\\0129.-eE~/ntf \xff\xc3";

/// Numbers that are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        usize::try_from(high).unwrap() % bound.max(1)
    }
}

/// One to four changes: bytes that are set, cut out, doubled, or taken from another seed.
fn mutated(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(12)).min(bytes.len());
        match dice.below(5) {
            0 if at < bytes.len() => bytes[at] = JSON[dice.below(JSON.len())],
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            3 => {
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(40)).min(other.len());
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
            _ => bytes.insert(at, u8::try_from(dice.below(256)).unwrap()),
        }
    }
    bytes
}

fn run(name: &str) {
    let (_, body) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let seeds: Vec<_> = seeds::of(name).into_iter().collect();
    assert!(seeds.len() > 5, "{name} has seeds");
    seeds.iter().for_each(|seed| body(seed));
    let (started, mut dice, mut inputs) = (Instant::now(), Dice(0x5EED), 0);
    while started.elapsed() < TIME {
        let (seed, other) = (&seeds[dice.below(seeds.len())], &seeds[dice.below(seeds.len())]);
        let input = mutated(seed, other, &mut dice);
        let outcome = std::panic::catch_unwind(|| body(&input));
        assert!(outcome.is_ok(), "{name} fails on {:?}", String::from_utf8_lossy(&input));
        inputs += 1;
    }
    assert!(inputs > 0);
}

#[test]
fn rule() {
    run("rule");
}

#[test]
fn segment() {
    run("segment");
}

#[test]
fn context() {
    run("context");
}

#[test]
fn evaluate() {
    run("evaluate");
}
