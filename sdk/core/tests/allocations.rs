//! Evaluation allocates nothing: counted by a global allocator that counts for each thread.

#[path = "../../../benches/evaluation/flags.rs"]
mod flags;

use bellwether_core::Now;

#[test]
fn an_evaluation_allocates_nothing() {
    let (state, context) = (flags::state(1_000).unwrap(), flags::context());
    for row in flags::ROWS {
        let evaluate = || state.evaluate(row.key, &context, Now::At(0)).unwrap();
        let served = evaluate();
        assert!(row.serves.is_none_or(|right| right == served.variation), "{}: {served:?}", row.title);
        // Once has been before: a regular expression takes memory of its own when it is first used.
        let counted = allocation_counter::measure(|| {
            evaluate();
        });
        assert_eq!(counted.count_total, 0, "{}: {counted:?}", row.title);
    }
}

#[test]
fn what_allocates_is_counted() {
    assert_ne!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8]))).count_total, 0);
}
