// Carries a change of many rows on, request by request, until it is done or somebody stops it.
"use strict";
(() => {
  const part = document.querySelector("[data-step]");
  const step = document.querySelector("[data-step-form]");
  const stop = document.querySelector("[data-stop-form]");
  const text = document.querySelector("[data-progress-text]");
  const bar = document.querySelector(".bulk-progress");
  if (!part || !step) return;
  const again = step;
  const number = new Intl.NumberFormat("en-US");
  let stopping = false;

  const show = (told) => {
    const of = told.total === null ? "" : ` of ${number.format(told.total)}`;
    text.textContent = `${number.format(told.changed)}${of} ${part.dataset.done}`;
    if (told.total !== null) {
      bar.max = Math.max(told.total, 1);
      bar.value = told.changed;
    }
  };

  const carryOn = async () => {
    again.hidden = true;
    try {
      for (;;) {
        const answer = await fetch(part.dataset.step, {
          method: "POST",
          body: new FormData(step),
          headers: { Accept: "application/json" },
          credentials: "same-origin",
          redirect: "error",
        });
        if (!answer.ok) throw new Error(String(answer.status));
        const told = await answer.json();
        show(told);
        if (stopping) return;
        if (told.state !== "running") {
          location.reload();
          return;
        }
      }
    } catch {
      if (stopping) return;
      text.textContent += "; no answer. Nothing is lost: carry on when you like";
      again.hidden = false;
    }
  };

  step.addEventListener("submit", (event) => {
    event.preventDefault();
    carryOn();
  });
  stop?.addEventListener("submit", () => { stopping = true; });
  carryOn();
})();
