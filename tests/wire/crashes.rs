//! Both services are killed while something is looked up: what was asked stays asked.

use std::sync::Arc;

use lab::Lab;

use crate::hub::{Hub, POOL};
use crate::zone::soon;

#[tokio::test]
async fn services_that_are_killed_while_they_look_something_up_look_again() {
    let builder = Lab::builder().rpc_proxy();
    let mut hub = Hub::of(builder.controller_arguments(["--lease-duration", "3"])).await;
    hub.lab.prepare().await.unwrap();
    let (soap, rpcs) = (
        Arc::clone(hub.lab.proxy()),
        Arc::clone(hub.lab.rpcs().unwrap()),
    );
    for (proxy, method) in [
        (&rpcs, "ConnectVCenter"),
        (&soap, "Login"),
        (&soap, "WaitForUpdatesEx"),
        (&rpcs, "CheckPlacement"),
        (&rpcs, "EnsureIso"),
        (&soap, "SearchDatastore_Task"),
    ] {
        soap.reset();
        rpcs.reset();
        let hold = proxy.hold(method);
        hub.apply(2).await;
        soon(method, proxy.seen(method, 1)).await;
        hub.lab.kill_controller().unwrap();
        hub.lab.kill_driver().unwrap();
        drop(hold);
        hub.lab.restart_driver().await.unwrap();
        hub.lab.restart_controller().await.unwrap();
        let names = hub.ready(2).await;
        assert_eq!(names, ["pool-n01", "pool-n02"], "{POOL} after {method}");
        hub.delete().await;
        assert_eq!(hub.machines().await, [], "after {method}");
    }
}
