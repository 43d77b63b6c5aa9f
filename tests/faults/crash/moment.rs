//! When a server is killed.

use std::time::Duration;

use bellwether::clock;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::harness::within;

/// A moment in a server's life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So long after the process was started.
    Starting(Duration),
    /// So long after it was ready, with SDKs alone around.
    Idle(Duration),
    /// So long after everybody began to write.
    Writing(Duration),
    /// As soon as so many changes were acknowledged.
    Acknowledged(usize),
    /// While everybody writes, so long after a window has closed and the guards begin to judge it.
    Judging(Duration),
}

/// The kind of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Starting,
    Idle,
    Writing,
    Acknowledged,
    Judging,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Starting, Self::Idle, Self::Writing, Self::Acknowledged, Self::Judging];
}

impl Moment {
    /// Any moment.
    pub(crate) fn draw(random: &mut StdRng) -> Self {
        let mut milliseconds = |most: u64| Duration::from_micros(random.random_range(0..most * 1_000));
        let (long, short, little) = (milliseconds(2_000), milliseconds(300), milliseconds(80));
        match random.random_range(0..10) {
            0..=1 => Self::Starting(short),
            2 => Self::Idle(little),
            3..=5 => Self::Writing(long),
            6..=7 => Self::Acknowledged(random.random_range(1..80)),
            _ => Self::Judging(little),
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Starting(_) => Kind::Starting,
            Self::Idle(_) => Kind::Idle,
            Self::Writing(_) => Kind::Writing,
            Self::Acknowledged(_) => Kind::Acknowledged,
            Self::Judging(_) => Kind::Judging,
        }
    }

    /// Waits for it, while everybody writes.
    pub(crate) async fn wait(self, acknowledged: &mut watch::Receiver<usize>) {
        match self {
            Self::Acknowledged(enough) => {
                within("enough changes", acknowledged.wait_for(|count| *count >= enough)).await.unwrap();
            }
            Self::Judging(after) => {
                // Windows begin and end with the seconds; each closes a whole second after its end.
                let into = Duration::from_micros(u64::from(clock::now().timestamp_subsec_micros()));
                sleep(Duration::from_secs(1).saturating_sub(into) + after).await;
            }
            Self::Starting(after) | Self::Idle(after) | Self::Writing(after) => sleep(after).await,
        }
    }
}
