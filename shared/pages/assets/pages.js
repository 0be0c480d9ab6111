// What makes the pages nicer where scripts run. Each behaviour is asked for by an attribute, and the page works without it.

// [data-copy="#id"]: copies the text of that element.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it and copy";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// input[data-autosubmit]: sends its form when it changes; the form's own button is not needed then, unless it [data-stays].
for (const input of document.querySelectorAll("[data-autosubmit]")) {
  for (const button of input.form.querySelectorAll("button:not([data-stays])")) button.hidden = true;
  input.addEventListener("change", () => input.form.requestSubmit());
}

// input[data-filter="#table"]: hides the rows that do not hold every word.
for (const input of document.querySelectorAll("[data-filter]")) {
  const table = document.querySelector(input.dataset.filter);
  if (!table) continue;
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.closest("[hidden]")?.removeAttribute("hidden");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, index) => { row.hidden = !words.every((word) => texts[index].includes(word)); });
    document.dispatchEvent(new Event("filtered"));
  });
}

// dialog[data-modal="/address"]: opens over the page; closing it, by Escape too, goes to that address.
for (const dialog of document.querySelectorAll("dialog[data-modal]")) {
  dialog.removeAttribute("open");
  dialog.showModal();
  dialog.addEventListener("close", () => location.assign(dialog.dataset.modal));
}

// form[data-chosen]: says how many rows are chosen, and chooses those that are shown and [data-ticked], or none.
for (const form of document.querySelectorAll("form[data-chosen]")) {
  const selects = [...form.querySelectorAll("tbody select")];
  const said = form.querySelector("[data-count]");
  const tell = () => {
    const chosen = selects.filter((select) => select.value !== "skip");
    const unseen = chosen.filter((select) => select.closest("tr").hidden).length;
    said.textContent = `${chosen.length} chosen` + (unseen ? `, ${unseen} of them not shown` : "");
  };
  for (const button of form.querySelectorAll("[data-choose]")) {
    button.hidden = selects.length === 0;
    button.addEventListener("click", () => {
      for (const select of selects) {
        const row = select.closest("tr");
        if (row.hidden) continue;
        if (button.dataset.choose === "skip") select.value = "skip";
        else if ("ticked" in row.dataset) select.value = button.dataset.choose;
      }
      tell();
    });
  }
  form.addEventListener("change", tell);
  document.addEventListener("filtered", tell);
  tell();
}

// [data-poll="/address"][data-while="a b"]: asks that address for JSON every two seconds. While its `state` is one of those words, each
// [data-value="field"] inside shows that field (a progress bar fills); after that the page is looked at anew.
for (const region of document.querySelectorAll("[data-poll]")) {
  const going = region.dataset.while.split(" ");
  const show = (answer) => {
    for (const place of region.querySelectorAll("[data-value]")) {
      const value = answer[place.dataset.value];
      if (value === undefined || value === null) continue;
      if (place instanceof HTMLProgressElement) {
        const total = answer[place.dataset.of];
        if (total) { place.max = total; place.value = value; }
      } else {
        place.textContent = String(value);
      }
    }
  };
  const look = async () => {
    try {
      const response = await fetch(region.dataset.poll, { headers: { accept: "application/json" } });
      if (!response.ok) { location.reload(); return; }
      const answer = await response.json();
      if (!going.includes(answer.state)) { location.reload(); return; }
      show(answer);
    } catch { /* out of reach for a moment: the next look tells */ }
    setTimeout(look, 2000);
  };
  setTimeout(look, 1000);
}

// form[data-once]: a second click sends nothing while the first is on its way. Who comes back by the history can send it again.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.once === "sent") event.preventDefault();
    form.dataset.once = "sent";
  });
  addEventListener("pageshow", () => { form.dataset.once = ""; });
}

// form[data-send]: sends itself at once; its button is for where no script runs.
document.querySelector("form[data-send]")?.requestSubmit();

// [data-reload="seconds"]: something is under way; the page is looked at anew, unless a person is at one of its forms.
for (const region of document.querySelectorAll("[data-reload]")) {
  const look = () => {
    const busy = document.querySelector("details[open]") || document.activeElement?.closest("form");
    if (busy || document.hidden) setTimeout(look, 2000);
    else location.reload();
  };
  setTimeout(look, Number(region.dataset.reload) * 1000);
}
