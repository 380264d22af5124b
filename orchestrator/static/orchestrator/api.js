// Forms of methods that HTML does not know, and bodies of JSON: sent here, and the answer's page shown.
"use strict";

const csrf = JSON.parse(document.getElementById("csrf").textContent);

async function send(form) {
  const isJson = "json" in form.dataset;
  const response = await fetch(form.action, {
    method: form.dataset.method,
    body: form.dataset.method === "DELETE" ? null : isJson ? form.elements.content.value : new URLSearchParams(new FormData(form)),
    headers: {
      Accept: "text/html",
      [csrf.header]: csrf.token,
      ...(isJson && { "Content-Type": "application/json" }),
    },
  });
  const page = await response.text();
  if (form.dataset.method === "DELETE" && response.ok) {
    location.assign(location.pathname.replace(/[^/]+\/$/, ""));
    return;
  }
  document.open();
  document.write(page);
  document.close();
  const made = response.headers.get("Location");
  if (made) history.replaceState({}, "", made);
}

document.addEventListener("submit", (event) => {
  if (!event.target.dataset.method) return;
  event.preventDefault();
  send(event.target);
});
