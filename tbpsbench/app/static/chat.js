// What htmx does not do by itself: say what has changed, keep the focus, open an exported search.
"use strict";

(() => {
  const LARGEST = 2_000_000; // what the server takes, percent-encoded
  const byId = (id) => document.getElementById(id);
  const status = byId("status");
  let focused = null;

  function say(text) {
    // An equal text would not be read again.
    status.textContent = "";
    setTimeout(() => { status.textContent = text; }, 50);
  }

  document.addEventListener("htmx:before:request", () => {
    focused = whereabouts(document.activeElement);
    document.body.classList.add("busy");
  });

  document.addEventListener("htmx:finally:request", (event) => {
    document.body.classList.remove("busy");
    const answer = event.detail.ctx.response;
    const swapped = answer && (answer.status === 200 || answer.status === 422);
    if (!swapped) say(refusal(event.detail.ctx));
    if (swapped) {
      say(byId("work").dataset.announce);
      // Texts that were typed belong to the question and the query before.
      for (const field of document.querySelectorAll("#refined, .answer")) field.value = field.defaultValue;
    }
    if (focused && (document.activeElement === document.body || !document.activeElement)) {
      const next = byId(focused.id) ?? document.querySelector(focused.near) ?? byId("work");
      next.focus({ preventScroll: next.id === "work" });
    }
    focused = null;
  });

  // Where the focus is, and what is nearest to it when that is gone: the same button of the picture that comes to stand
  // there, or the answer to the next question.
  function whereabouts(element) {
    const card = element?.closest(".card");
    if (!card) return { id: element?.id ?? "", near: ".talk .answer" };
    const gallery = `[aria-labelledby="${card.closest("section").getAttribute("aria-labelledby")}"]`;
    const place = [...card.parentNode.children].indexOf(card) + 1;
    return { id: element.id, near: `${gallery} .card:nth-child(${place}) button` };
  }

  function refusal(ctx) {
    const text = ctx.response ? (ctx.text ?? "") : "The machine that serves this page does not answer.";
    const shown = text.length < 300 && !text.includes("<") ? text : `The request failed (${ctx.response.status}).`;
    const old = document.querySelector("#work > .notice");
    const notice = old ?? document.createElement("p");
    notice.className = "notice error";
    notice.textContent = shown;
    if (!old) byId("work").prepend(notice);
    return shown;
  }

  // Enter searches; a new line is Shift+Enter, as in every chat.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.tagName !== "TEXTAREA") return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });

  const open = byId("open");
  open.hidden = false;
  byId("file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    if (file.size > LARGEST) return say("That file is too large to be an exported search.");
    byId("session").value = await file.text();
    open.dispatchEvent(new Event("send"));
    event.target.value = "";
  });
})();
