// Refreshes parts of a page: [data-refresh] is the URL. A part with [data-stream], the URL of an event stream, is
// refreshed when an event arrives; a part without, or without a connection to its stream, every [data-seconds].
"use strict";
(() => {
  const MIN_MILLISECONDS = 1000; // between two refreshes of a part
  const MAX_MILLISECONDS = 20000; // of a refresh
  const STREAM_SECONDS = 30; // figures such as ages change without an event
  const RECONNECT_MILLISECONDS = 15000; // after a response that is no stream
  const parts = [...document.querySelectorAll("[data-refresh]")];
  const state = document.querySelector("[data-refresh-state]");
  const text = document.querySelector("[data-refresh-text]");
  const toggle = document.querySelector("[data-refresh-toggle]");
  const unpaused = text?.textContent;
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
      const signal = AbortSignal.timeout(MAX_MILLISECONDS); // or a service that hangs would end the refreshing
      const response = await fetch(part.dataset.refresh, { credentials: "same-origin", redirect: "error", signal });
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

  // Calls `notify` for each event while the page is visible: a browser has few connections to one host.
  const follow = (part, notify) => {
    let source = null;
    const connect = () => {
      if (document.hidden || source) return;
      source = new EventSource(part.dataset.stream);
      source.onopen = () => { part.dataset.following = "yes"; notify(); };
      source.onmessage = notify;
      source.onerror = () => {
        delete part.dataset.following;
        if (source.readyState === EventSource.CLOSED) { disconnect(); setTimeout(connect, RECONNECT_MILLISECONDS); }
      };
    };
    const disconnect = () => { source?.close(); source = null; delete part.dataset.following; };
    document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
    connect();
  };

  const schedule = (part) => {
    let waiting = false;
    let refreshed = Date.now();
    let running = Promise.resolve();
    // One after the other: while the service is slow, requests must not pile up, or an older response come last.
    const refreshNow = () => {
      running = running.then(() => refresh(part)).then(() => { refreshed = Date.now(); });
      return running;
    };
    const refreshSoon = () => {
      if (waiting) return;
      waiting = true;
      setTimeout(async () => { await running; waiting = false; await refreshNow(); }, MIN_MILLISECONDS);
    };
    const later = () => setTimeout(async () => {
      if (!part.dataset.following || Date.now() > refreshed + STREAM_SECONDS * 1000) await refreshNow();
      later();
    }, part.dataset.seconds * 1000);
    if (part.dataset.first) refreshNow();
    if (part.dataset.stream) follow(part, refreshSoon);
    later();
  };

  if (state) state.hidden = false;
  toggle?.addEventListener("click", () => {
    paused = !paused;
    toggle.setAttribute("aria-pressed", String(paused));
    toggle.textContent = paused ? "Resume" : "Pause";
    if (text) text.textContent = paused ? "Paused" : unpaused;
  });
  parts.forEach(schedule);
})();
