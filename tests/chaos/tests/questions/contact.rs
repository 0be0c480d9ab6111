//! Which contact is this client? (C3-C5, C27)

use super::*;

#[tokio::test(start_paused = true)]
async fn c3_choose_contact() {
    for (start, contacts) in [("link:", 2), ("create", 3)] {
        let world = new().await;
        let first = contact(&world, "Rosewood Holdings", EMAIL);
        contact(&world, "Vale Ltd", EMAIL);
        let hold = world.held().await.unwrap();
        check(&world, &hold, Question::ChooseContact, &["link:", "link:", "create"]).await;
        assert!(world.live().is_empty());
        settles(&world, &hold, start).await;
        let only = one_document(&world).await;
        assert_eq!(active(&world).len(), contacts, "{start}");
        assert_eq!(only.contact_id == first, start == "link:", "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn c4_confirm_contact_of_another_name() {
    for (start, contacts) in [("link:", 1), ("create", 2)] {
        let world = new().await;
        contact(&world, "Vale Ltd", EMAIL);
        let hold = world.held().await.unwrap();
        check(&world, &hold, Question::ConfirmContact, &["link:", "create"]).await;
        settles(&world, &hold, start).await;
        one_document(&world).await;
        assert_eq!(active(&world).len(), contacts, "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn c4_confirm_contact_of_another_address() {
    let world = new().await;
    contact(&world, NAME, "other@rosewood.example");
    let hold = world.held().await.unwrap();
    check(&world, &hold, Question::ConfirmContact, &["link:", "create"]).await;
    settles(&world, &hold, "link:").await;
    one_document(&world).await;
    assert_eq!(active(&world).len(), 1);
    // C27: the bookkeeper's address stays.
    assert_eq!(active(&world)[0].email.as_deref(), Some("other@rosewood.example"));

    // Not the same client: then its name is taken, and that is the next question (C5).
    for (start, contacts) in [("link:", 1), ("create_suffixed", 2)] {
        let world = new().await;
        contact(&world, NAME, "other@rosewood.example");
        let hold = world.held().await.unwrap();
        let clash = asks(&world, &hold, "create", Question::NameClash).await;
        check(&world, &clash, Question::NameClash, &["link:", "create_suffixed"]).await;
        settles(&world, &clash, start).await;
        let only = one_document(&world).await;
        assert_eq!(active(&world).len(), contacts, "{start}");
        let name = active(&world).into_iter().find(|contact| contact.id == only.contact_id).unwrap().name;
        assert_eq!(name, if start == "link:" { NAME.to_owned() } else { format!("{NAME} ({EMAIL})") });
    }
}

/// docs/records.md, section 4, "document and contact owners": two clients on one contact only by a person's answer.
#[tokio::test(start_paused = true)]
async fn c4_confirm_contact_that_two_clients_share() {
    for ours in [true, false] {
        for start in ["share", "retry"] {
            let case = format!("made by us: {ours}, {start}");
            let world = new().await;
            if !ours {
                contact(&world, NAME, EMAIL);
            }
            world.synced().await.unwrap();
            let twin = world.add_client(1).await.unwrap();
            let invoice = world.add_invoice(1, twin).await.unwrap();
            let Ok(SyncEnd::Held(hold)) = world.sync(invoice).await.unwrap() else { panic!("{case}") };
            assert_eq!(hold.question, Question::ConfirmContact, "{case}");
            assert_eq!(hold.choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>(), ["share", "retry"], "{case}");
            assert_eq!(world.live().len(), 1, "{case}: nothing is written before the answer");
            if start == "retry" {
                let Ok(SyncEnd::Held(same)) = world.resolve_on(invoice, hold.id, "retry").await.unwrap() else { panic!("{case}") };
                world
                    .edit_client(twin, |client| {
                        client.name = "Vale Gardens".to_owned();
                        client.email = "office@vale.example".to_owned();
                    })
                    .await
                    .unwrap();
                let end = world.resolve_on(invoice, same.id, "retry").await.unwrap();
                assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
                assert_eq!(active(&world).len(), 2, "{case}");
            } else {
                let end = world.resolve_on(invoice, hold.id, "share").await.unwrap();
                assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{case}: {end:?}");
                assert_eq!(active(&world).len(), 1, "{case}");
                let refused = world.resolve_on(invoice, hold.id, "share").await.unwrap().unwrap_err();
                assert_eq!(refused.code, "hold_closed", "{case}");
            }
            assert_eq!(world.live().len(), 2, "{case}");
            let end = world.sync(invoice).await.unwrap();
            assert!(matches!(&end, Ok(SyncEnd::Synced(answer)) if answer.changed == Changed::Nothing), "{case}: {end:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c5_name_clash_by_option() {
    let clash = |policy| async move {
        let world = new().await;
        contact(&world, NAME, "other@rosewood.example");
        world
            .options(|options| {
                options.match_by = vec![MatchBy::Email];
                options.name_clash = policy;
            })
            .await
            .unwrap();
        world
    };
    for (start, contacts) in [("link:", 1), ("create_suffixed", 2)] {
        let world = clash(NameClash::Hold).await;
        let hold = world.held().await.unwrap();
        check(&world, &hold, Question::NameClash, &["link:", "create_suffixed"]).await;
        settles(&world, &hold, start).await;
        one_document(&world).await;
        assert_eq!(active(&world).len(), contacts, "{start}");
    }
    let world = clash(NameClash::Suffix).await;
    world.synced().await.unwrap();
    one_document(&world).await;
    assert!(active(&world).iter().any(|contact| contact.name == format!("{NAME} ({EMAIL})")));

    let world = clash(NameClash::Fail).await;
    let problem = world.sync(world.invoice_id).await.unwrap().unwrap_err();
    assert_eq!(problem.code, "name_clash");
    assert!(problem.fix.is_some());
    assert!(world.live().is_empty());
    assert_eq!(active(&world).len(), 1);
}

/// The name appears between the search and the create: the ledger's refusal is looked into, never retried blindly.
#[tokio::test(start_paused = true)]
async fn c5_name_clash_in_a_race() {
    for email in ["other@rosewood.example", EMAIL] {
        let world = new().await;
        // Which call is the search?
        let probe = new().await;
        assert!(matches!(probe.click().await.unwrap(), Run::Ended(_)));
        let calls = probe.wire.passed();
        let search = calls
            .iter()
            .position(|call| call.side == Side::Vendor && call.operation.starts_with("GET") && call.operation.ends_with("/Contacts"))
            .unwrap();
        world.wire.arm(search, WireFault::Held);
        let (run, ()) = tokio::join!(world.click(), async {
            world.wire.holding().await;
            contact(&world, NAME, email);
            world.wire.release();
        });
        let Run::Ended(end) = run.unwrap() else { panic!() };
        if email == EMAIL {
            assert!(matches!(end.as_ref(), Ok(SyncEnd::Synced(_))), "{end:?}");
            one_document(&world).await;
            assert_eq!(active(&world).len(), 1);
            continue;
        }
        let Ok(SyncEnd::Held(hold)) = *end else { panic!("{end:?}") };
        check(&world, &hold, Question::ConfirmContact, &["link:", "create"]).await;
        let clash = asks(&world, &hold, "create", Question::NameClash).await;
        settles(&world, &clash, "create_suffixed").await;
        one_document(&world).await;
        assert_eq!(active(&world).len(), 2);
    }
}

/// The ledger says that the name is taken and shows nobody of that name.
#[tokio::test(start_paused = true)]
async fn c5_name_clash_unseen() {
    let body = json!({ "ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred", "Elements": [{ "ValidationErrors": [{ "Message": format!("The contact name {NAME} is already assigned to another contact. The contact name must be unique across all active contacts.") }] }] });
    let refusal = |times| Fault {
        method: Some("PUT".to_owned()),
        status: Some(400),
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: Some(body.to_string()),
        times,
        ..Fault::on("/Contacts", FaultKind::Status)
    };
    for (start, name) in [("create_suffixed", format!("{NAME} ({EMAIL})")), ("retry", NAME.to_owned())] {
        let world = new().await;
        world.simulator.post_faults(vec![refusal(2)]);
        let hold = world.held().await.unwrap();
        check(&world, &hold, Question::NameClash, &["create_suffixed", "retry"]).await;
        // The second refusal: asked anew, not looped.
        let hold = if start == "retry" { retry_changes_nothing(&world, &hold).await } else { hold };
        if start == "retry" {
            settles(&world, &hold, start).await;
        } else {
            let Ok(SyncEnd::Held(hold)) = answer(&world, &hold, start).await else { panic!() };
            assert_eq!(
                hold.choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>(),
                ["retry"],
                "the second name is taken, too"
            );
            settles(&world, &hold, "retry").await;
        }
        one_document(&world).await;
        assert_eq!(active(&world).iter().map(|contact| contact.name.clone()).collect::<Vec<_>>(), [name]);
    }
    for policy in [NameClash::Suffix, NameClash::Fail] {
        let world = new().await;
        world.options(|options| options.name_clash = policy).await.unwrap();
        world.simulator.post_faults(vec![refusal(1)]);
        let end = world.sync(world.invoice_id).await.unwrap();
        match policy {
            NameClash::Suffix => assert!(matches!(end, Ok(SyncEnd::Synced(_))), "{end:?}"),
            _ => assert_eq!(end.unwrap_err().code, "name_clash"),
        }
        assert_eq!(world.live().len(), usize::from(policy == NameClash::Suffix));
    }
}

/// Both ways in which it is noticed: the client changed and the contact is read, or the ledger refuses a document for it.
#[tokio::test(start_paused = true)]
async fn contact_gone() {
    for read in [true, false] {
        for start in ["find_again", "retry"] {
            let case = format!("read: {read}, {start}");
            let world = new().await;
            if read {
                world.synced().await.unwrap();
                world.edit_client(world.client, |client| client.phone = Some("+44 20 5550 0199".to_owned())).await.unwrap();
                world.edit(dearer).await.unwrap();
            } else {
                world.link_contact().await.unwrap();
            }
            let before = world.simulator.snapshot();
            let gone = active(&world)[0].id.clone();
            world.bookkeeper(Action::ArchiveContact { contact_id: gone.clone() }).unwrap();
            let hold = world.held().await.unwrap();
            check(&world, &hold, Question::ContactGone, &["find_again", "retry"]).await;
            let hold = retry_changes_nothing(&world, &hold).await;
            if start == "retry" {
                world.simulator.restore(before).unwrap();
                settles(&world, &hold, start).await;
                assert_eq!(one_document(&world).await.contact_id, gone, "{case}");
            } else {
                settles(&world, &hold, start).await;
                assert_ne!(one_document(&world).await.contact_id, gone, "{case}");
                assert_eq!(world.books().contacts.len(), 2, "{case}");
            }
            assert_eq!(active(&world).len(), 1, "{case}");
        }
    }
}
