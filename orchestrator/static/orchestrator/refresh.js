// Parts of a page that fetch themselves anew: [data-refresh] is the address, [data-seconds] how often.
"use strict";
(() => {
  const parts = [...document.querySelectorAll("[data-refresh]")];
  const state = document.querySelector("[data-refresh-state]");
  const text = document.querySelector("[data-refresh-text]");
  const toggle = document.querySelector("[data-refresh-toggle]");
  let paused = false;

  // What the reader has opened, is on, or has scrolled to stays as it is.
  const memory = (part) => ({
    open: [...part.querySelectorAll("details[open]")].map((each) => each.id),
    focus: part.contains(document.activeElement) ? document.activeElement.id : "",
  });

  const restore = (part, kept) => {
    kept.open.forEach((id) => part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", ""));
    if (kept.focus) part.querySelector(`#${CSS.escape(kept.focus)}`)?.focus({ preventScroll: true });
  };

  const busy = (part) => {
    const active = document.activeElement;
    const selected = document.getSelection();
    return (
      (part.contains(active) && !active.id) ||
      (selected && !selected.isCollapsed && part.contains(selected.anchorNode))
    );
  };

  const refresh = async (part) => {
    if (paused || document.hidden || busy(part)) return;
    try {
      const answer = await fetch(part.dataset.refresh, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = await answer.text();
      if (busy(part)) return;
      const kept = memory(part);
      part.innerHTML = page;
      restore(part, kept);
      if (text) text.textContent = `Up to date at ${new Date().toISOString().slice(11, 19)} UTC`;
    } catch {
      if (text) text.textContent = "No answer; what you see is old. Trying again";
    }
  };

  const keepFresh = (part) => {
    const later = () => setTimeout(async () => { await refresh(part); later(); }, part.dataset.seconds * 1000);
    if (part.dataset.first) refresh(part);
    later();
  };

  if (state) state.hidden = false;
  toggle?.addEventListener("click", () => {
    paused = !paused;
    toggle.setAttribute("aria-pressed", String(paused));
    toggle.textContent = paused ? "Go on" : "Pause";
    if (text) text.textContent = paused ? "Paused" : "Refreshes every 5 seconds";
  });
  parts.forEach(keepFresh);
})();
