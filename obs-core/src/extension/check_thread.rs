//! The threads of health checks. A check that blocks its thread must not stop the service, whose
//! runtime may have only one thread.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use tokio::{
    runtime::Handle,
    sync::oneshot::{self, Receiver, Sender},
    task::JoinHandle,
};

use crate::{
    base::{panic::catch, thread::spawn},
    extension::check::CheckFuture,
};

/// The call of the check's function.
type CallCheck = Box<dyn FnOnce() -> CheckFuture + Send>;

/// A function that gets the result of a run: `None` if the check panicked.
type OnResult = Box<dyn FnOnce(Option<Result<(), String>>) + Send>;

/// A run that no thread has begun.
type WaitingCheck = Arc<Mutex<Option<(CallCheck, OnResult)>>>;

/// Runs a check on its own thread, inside the current runtime: its timers, sockets and tasks belong
/// to that runtime.
///
/// `ended` gets the result. It is dropped without a call if the runtime ends first. If no thread
/// can be started, the check runs as a task.
pub(crate) fn run_on_thread(call: CallCheck, ended: OnResult) {
    let waiting: WaitingCheck = Arc::new(Mutex::new(Some((call, ended))));
    let (theirs, runtime) = (Arc::clone(&waiting), Handle::current());
    let (alive, runtime_ended) = oneshot::channel();
    let (running, thread_ended) = oneshot::channel();
    let thread = move || {
        // Dropped at the end of the thread, which ends the task below.
        let _running: Sender<()> = running;
        // The runtime may end at any moment.
        let _ = catch(|| runtime.block_on(run(theirs, Some(runtime_ended))));
    };
    if spawn("obs-check", Box::new(thread)).is_err() {
        drop(spawn_task(Box::pin(run(waiting, None))));
        return;
    }
    // The end of the runtime drops this task. The thread would not notice it otherwise.
    drop(spawn_task(Box::pin(async move {
        let _alive: Sender<()> = alive;
        let _ = thread_ended.await;
    })));
}

/// Runs a check until its end, or until the runtime has ended.
async fn run(waiting: WaitingCheck, runtime_ended: Option<Receiver<()>>) {
    let taken = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((call, ended)) = taken else { return };
    let Ok(mut check) = catch(call) else { return ended(None) };
    let mut runtime_ended = pin!(runtime_ended);
    let result = poll_fn(|cx| {
        if let Some(receiver) = runtime_ended.as_mut().as_pin_mut()
            && receiver.poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        match catch(|| check.as_mut().poll(cx)) {
            Ok(polled) => polled.map(|result| Some(Some(result))),
            Err(_) => Poll::Ready(Some(None)),
        }
    });
    if let Some(result) = result.await {
        ended(result);
    }
}

/// Starts a task on the current runtime. All tasks have the same type, because each type adds
/// several kilobytes of code.
pub(crate) fn spawn_task(task: Pin<Box<dyn Future<Output = ()> + Send>>) -> JoinHandle<()> {
    tokio::spawn(task)
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::mpsc::{Sender as StdSender, channel},
        time::Duration,
    };

    use super::*;

    struct Dropped(StdSender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    /// A thread must not wait for ever for a check whose runtime is gone.
    #[test]
    fn a_check_ends_with_its_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (send, dropped) = channel();
        let (begin, began) = oneshot::channel();
        let call: CallCheck = Box::new(move || {
            Box::pin(async move {
                let _dropped = Dropped(send);
                let _ = begin.send(());
                pending().await
            })
        });
        runtime.block_on(async move {
            run_on_thread(call, Box::new(|_| panic!("it has no result")));
            began.await.expect("it begins");
        });
        drop(runtime);
        dropped.recv_timeout(Duration::from_secs(60)).expect("it is dropped");
    }
}
