use std::sync::mpsc;

use super::*;

/// As long as a call of somebody else may take without being an outage.
const SLOW: Duration = Duration::from_millis(900);

#[tokio::test]
async fn a_queue_that_moves_is_waited_for() {
    let lane = Lane::new(1);
    let slow = |call: &Call| {
        call.begin()?;
        std::thread::sleep(SLOW);
        Ok(())
    };
    let calls = (0..4).map(|_| lane.run(slow));
    let done = futures_util::future::join_all(calls).await;
    assert!(done.iter().all(Result::is_ok), "the last one waited longer than {WAIT:?}: {done:?}");
}

#[tokio::test]
async fn who_is_given_up_does_not_begin_later() {
    let lane = Lane::new(1);
    let (let_go, held) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let start = Instant::now();
    let stuck = lane.run(move |call| {
        // As long as the database says nothing.
        let _ = held.recv();
        let _ = tell.send(call.begin().is_err());
        Ok(())
    });
    // Its turn does not come.
    let behind = lane.run(|call| call.begin());
    let (stuck, behind) = tokio::join!(stuck, behind);
    assert!(start.elapsed() >= WAIT);
    for refused in [stuck, behind] {
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
    drop(let_go);
    assert_eq!(told.recv(), Ok(true));
}

#[tokio::test]
async fn who_has_begun_is_waited_for() {
    let lane = Lane::new(1);
    let outcome = lane.run(|call| {
        call.begin()?;
        std::thread::sleep(WAIT + SLACK + SLOW);
        Ok(7)
    });
    assert_eq!(outcome.await.unwrap(), 7);
}
