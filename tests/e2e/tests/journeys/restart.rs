//! `--data` keeps everything, also when the process is killed.

use coportal_core::ledger::Ledger;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use coportal_local::run::{LocalRun, RunOptions};
use coportal_local::studio::{Studio, text};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{connect, count, lines};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("coportal-restart-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in a temporary folder disturbs nobody.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

async fn start(data: &Path, port: u16) -> LocalRun {
    LocalRun::start(RunOptions { port, data: Some(data.to_owned()), ..RunOptions::default() }).await.unwrap()
}

/// Does something with a local cloud in a runtime of its own, which then ends under it as a killed process would.
fn killed_after<T, F>(data: &Path, port: u16, what: impl FnOnce(LocalRun) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = (LocalRun, T)>,
{
    let data = data.to_owned();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (local, outcome) = runtime.block_on(async { what(start(&data, port).await).await });
        sender.send(outcome).unwrap();
        drop(runtime);
        drop(local);
    })
    .join()
    .unwrap();
    receiver.recv().unwrap()
}

#[test]
fn a_killed_process_forgets_nothing() {
    let folder = Folder::new();
    let (studio, invoice, first, port, moved_to) = killed_after(&folder.0, 0, async |local: LocalRun| {
        let studio = Studio::open(&local, "Harbour Lane Studio").await.unwrap();
        connect(&studio).await;
        let client = studio.add_client("Juniper & Finch Ltd", "accounts@juniperfinch.example").await.unwrap();
        let invoice = studio.send_invoice(&client, &lines()).await.unwrap();
        let first = studio.at(Ledger::Xero).synced(&invoice).await.unwrap();
        studio.owner.post("/__local/clock", &json!({"advance_seconds": 7200})).await.unwrap();
        let port: u16 = local.origin.rsplit(':').next().unwrap().parse().unwrap();
        let now = local.cloud.clock.now();
        (local, (studio, invoice, first, port, now))
    });

    let (again, edited): (Value, Value) = killed_after(&folder.0, port, {
        let (studio, invoice) = (studio.clone(), invoice.clone());
        async move |local: LocalRun| {
            assert!(local.cloud.clock.now() >= moved_to, "the clock went back");
            assert_eq!(studio.at(Ledger::Xero).connection().await.unwrap()["status"], "connected");
            // The tokens of people, the sealed tokens of Xero, and what Xero holds: all from before.
            let again = studio.at(Ledger::Xero).synced(&invoice).await.unwrap();
            let edited = studio.edit_line(&invoice, "/lines/0/quantity", json!("3")).await.unwrap();
            let edited = studio.at(Ledger::Xero).synced(&edited).await.unwrap();
            (local, (again, edited))
        }
    });
    assert_eq!((text(&again, "/changed"), &again["vendor_calls"]), ("nothing", &json!(0)));
    assert_eq!((text(&edited, "/changed"), &edited["external_id"]), ("updated", &first["external_id"]));

    killed_after(&folder.0, port, async move |local: LocalRun| {
        let state = serde_json::to_value(local.ledger(Ledger::Xero).unwrap().simulator.state()).unwrap();
        assert_eq!((count(&state, "documents"), count(&state, "contacts")), (1, 1));
        assert_eq!(text(&state, "/documents/0/total"), "360.00");
        local.advance(SignedDuration::from_secs(1));
        (local, ())
    });
}

#[tokio::test]
async fn a_folder_that_another_process_uses_is_refused() {
    let folder = std::env::temp_dir().join(format!("coportal-in-use-{}", std::process::id()));
    let local = start(&folder, 0).await;
    let options = RunOptions { data: Some(folder.clone()), ..RunOptions::default() };
    let Err(error) = LocalRun::start(options).await else { panic!("two use one folder") };
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    local.shutdown().await.unwrap();
    start(&folder, 0).await.shutdown().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let folder = std::env::temp_dir().join(format!("coportal-damaged-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    start(&folder, 0).await.shutdown().await.unwrap();
    for (name, kept) in [("xero.json", "{}"), ("clock.json", "not JSON"), ("keys.json", "[]"), ("issuer.json", "{}")] {
        let whole = std::fs::read(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), kept).unwrap();
        let options = RunOptions { data: Some(folder.clone()), ..RunOptions::default() };
        let Err(error) = LocalRun::start(options).await else { panic!("{name} was taken for whole") };
        assert!(error.to_string().contains(name), "{name}: {error}");
        std::fs::write(folder.join(name), whole).unwrap();
    }
    start(&folder, 0).await.shutdown().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
