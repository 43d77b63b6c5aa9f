use std::time::{Duration, Instant};

use bellwether_core::{Context, ErrorCode, Now, State, Value};

use super::scene::{Object, Past, Scene, Stop};
use super::{MadeSo, UnchangedSince};
use crate::error::Result;
use crate::flags::store::Made;

/// Most revisions that are looked at on the way back.
const STEPS: usize = 1_000;
/// How long it may take: others wait for the store meanwhile. It is enough for some ten mebibytes of flags.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is compared: by which way an answer came to be does not matter.
#[derive(PartialEq)]
struct Answer(Result<(String, Value), ErrorCode>);

impl Answer {
    fn of(state: &State, key: &str, context: &Context, now: Now) -> Self {
        let served = state.evaluate(key, context, now);
        Self(served.map(|served| (served.variation.to_owned(), served.value.clone())))
    }
}

impl Scene {
    /// The last of the versions involved: with its revision the scene became what it is.
    fn newest(&self) -> Option<&Made> {
        self.involved.iter().filter_map(|(_, made)| made.as_ref()).max_by_key(|made| made.revision)
    }
}

impl Past<'_, '_> {
    /// The last change before which the same context was answered otherwise, or how far back there was none.
    ///
    /// Between the revisions of the versions involved nothing that the answer hangs on changed; so it is asked for
    /// again just before each, of what was involved then.
    pub(super) fn made_so(&mut self, mut scene: Scene, now: Now) -> Result<(Option<MadeSo>, Option<UnchangedSince>)> {
        let (key, context) = (self.key().to_owned(), self.context);
        let answer = Answer::of(&scene.state, &key, context, now);
        let (started, mut steps) = (Instant::now(), 0);
        loop {
            let Some(newest) = scene.newest().cloned() else { return Ok((None, None)) };
            let unchanged = |because: String| UnchangedSince { revision: newest.revision, at: newest.at, because };
            if steps == STEPS || started.elapsed() > PATIENCE {
                let because = format!("it was looked for over the last {steps} changes of what it hangs on");
                return Ok((None, Some(unchanged(because))));
            }
            steps += 1;
            let before = match self.scene(newest.revision.saturating_sub(1), None) {
                Ok(before) => before,
                Err(Stop::Unkept(gap)) => return Ok((None, Some(unchanged(gap.to_string())))),
                Err(Stop::Failed(error)) => return Err(error),
            };
            if Answer::of(&before.state, &key, context, now) != answer {
                let at_once = scene.involved.into_iter().filter_map(|(object, made)| Some((object, made?)));
                let at_once: Vec<_> = at_once.filter(|(_, made)| made.revision == newest.revision).collect();
                let (object, made) = self.decisive(at_once, &answer, now)?.unwrap_or((Object::Flag(key), newest));
                return Ok((Some(made_so(&object, made)), None));
            }
            scene = before;
        }
    }

    /// Which of several changes of one revision made the answer: the first without which it would be another.
    fn decisive(&mut self, at_once: Vec<(Object, Made)>, answer: &Answer, now: Now) -> Result<Option<(Object, Made)>> {
        let (key, context) = (self.key().to_owned(), self.context);
        if at_once.len() > 1 {
            for (object, made) in &at_once {
                match self.scene(made.revision, Some(object)) {
                    Ok(scene) if Answer::of(&scene.state, &key, context, now) != *answer => {
                        return Ok(Some((object.clone(), made.clone())));
                    }
                    Ok(_) | Err(Stop::Unkept(_)) => {}
                    Err(Stop::Failed(error)) => return Err(error),
                }
            }
        }
        Ok(at_once.into_iter().next())
    }
}

fn made_so(object: &Object, made: Made) -> MadeSo {
    let Made { version, revision, at, actor, action, reason, request_id } = made;
    MadeSo { resource: object.to_string(), version, revision, at, actor, action, reason, request_id }
}
