// Continues a bulk change, request by request, until it is finished or stopped.
"use strict";
(() => {
  const step = document.querySelector("[data-step-form]");
  const progress = document.querySelector("[data-progress]");
  let stopping = false;

  const run = async () => {
    step.hidden = true;
    try {
      while (!stopping) {
        const response = await fetch(step.action, { method: "POST", body: new FormData(step) });
        if (!response.ok) throw new Error(String(response.status));
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        if (!page.querySelector("[data-step-form]")) return location.reload();
        const shown = page.querySelector("[data-progress]");
        progress.replaceChildren(...shown.children);
        await new Promise((resolve) => setTimeout(resolve, Number(shown.dataset.pause)));
      }
    } catch {
      if (stopping) return;
      progress.querySelector("p").textContent = "Connection lost. Rows already changed are saved; press Continue to go on.";
      step.hidden = false;
    }
  };

  step.addEventListener("submit", (event) => { event.preventDefault(); run(); });
  document.querySelector("[data-stop-form]").addEventListener("submit", () => { stopping = true; });
  run();
})();
