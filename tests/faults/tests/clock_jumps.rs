//! F18. The clock of the relay is set ahead and back by an hour while it works.

use std::time::Duration;

use servers::Clock;

use crate::rig::{Relay, Stage, Writers, cycles};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_and_leases_do_not_hang_on_the_time_of_day() {
    let stage = Stage::new().await;
    let clock = Clock::new().unwrap();
    let mut relay = Relay::start_with(&stage, |program| clock.of(program).unwrap()).await;
    let writers = Writers::start(stage.writers(4), Duration::from_millis(2));
    let hour = Duration::from_secs(3_600);
    for _ in 0..cycles(1) {
        for (ahead, by) in [(true, hour), (false, hour), (true, Duration::ZERO)] {
            writers.more(20).await;
            if ahead { clock.ahead(by) } else { clock.behind(by) }.unwrap();
            stage.flows(&writers).await;
            relay.kill();
            relay.restart().await;
            stage.flows(&writers).await;
        }
    }
    writers.stop().await;
    stage.carried.is_exact(&stage.ledger).await;
}
