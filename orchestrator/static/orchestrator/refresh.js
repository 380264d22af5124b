// Refreshes parts of a page: [data-refresh] is the URL, [data-seconds] the interval.
"use strict";
(() => {
  const parts = [...document.querySelectorAll("[data-refresh]")];
  const state = document.querySelector("[data-refresh-state]");
  const text = document.querySelector("[data-refresh-text]");
  const toggle = document.querySelector("[data-refresh-toggle]");
  let paused = false;

  // A refresh keeps what the reader has opened and focused.
  const readState = (part) => ({
    open: [...part.querySelectorAll("details[open]")].map((each) => each.id),
    focus: part.contains(document.activeElement) ? document.activeElement.id : "",
  });

  const restoreState = (part, saved) => {
    saved.open.forEach((id) => part.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", ""));
    if (saved.focus) part.querySelector(`#${CSS.escape(saved.focus)}`)?.focus({ preventScroll: true });
  };

  const isInUse = (part) => {
    const active = document.activeElement;
    const selected = document.getSelection();
    return (
      (part.contains(active) && !active.id) ||
      (selected && !selected.isCollapsed && part.contains(selected.anchorNode))
    );
  };

  const refresh = async (part) => {
    if (paused || document.hidden || isInUse(part)) return;
    try {
      const response = await fetch(part.dataset.refresh, { credentials: "same-origin", redirect: "error" });
      if (!response.ok) throw new Error(String(response.status));
      const page = await response.text();
      if (isInUse(part)) return;
      const saved = readState(part);
      part.innerHTML = page;
      restoreState(part, saved);
      if (text) text.textContent = `Updated at ${new Date().toISOString().slice(11, 19)} UTC`;
    } catch {
      if (text) text.textContent = "Connection lost; the figures are old. Retrying";
    }
  };

  const schedule = (part) => {
    const later = () => setTimeout(async () => { await refresh(part); later(); }, part.dataset.seconds * 1000);
    if (part.dataset.first) refresh(part);
    later();
  };

  if (state) state.hidden = false;
  toggle?.addEventListener("click", () => {
    paused = !paused;
    toggle.setAttribute("aria-pressed", String(paused));
    toggle.textContent = paused ? "Resume" : "Pause";
    if (text) text.textContent = paused ? "Paused" : "Refreshes every 5 seconds";
  });
  parts.forEach(schedule);
})();
