// Continues a bulk change, request by request, until it is finished or stopped.
"use strict";
(() => {
  const part = document.querySelector("[data-step]");
  const step = document.querySelector("[data-step-form]");
  const stop = document.querySelector("[data-stop-form]");
  const text = document.querySelector("[data-progress-text]");
  const bar = document.querySelector(".bulk-progress");
  if (!part || !step) return;
  const number = new Intl.NumberFormat("en-US");
  let stopping = false;

  const show = (progress) => {
    const of = progress.total === null ? "" : ` of ${number.format(progress.total)}`;
    text.textContent = `${number.format(progress.changed)}${of} ${part.dataset.done}`;
    if (progress.total !== null) {
      bar.max = Math.max(progress.total, 1);
      bar.value = progress.changed;
    }
  };

  const run = async () => {
    step.hidden = true;
    try {
      for (;;) {
        const response = await fetch(part.dataset.step, {
          method: "POST",
          body: new FormData(step),
          headers: { Accept: "application/json" },
          credentials: "same-origin",
          redirect: "error",
        });
        if (!response.ok) throw new Error(String(response.status));
        const progress = await response.json();
        show(progress);
        if (stopping) return;
        if (progress.state !== "running") {
          location.reload();
          return;
        }
      }
    } catch {
      if (stopping) return;
      text.textContent += ". Connection lost. Rows already changed are saved; press Continue to go on.";
      step.hidden = false;
    }
  };

  step.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  stop?.addEventListener("submit", () => { stopping = true; });
  run();
})();
