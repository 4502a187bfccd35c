
"use strict";
// The page reads well without this: it adds the order of the queries and a spoken count, and lets
// the keyboard reach what scrolls sideways.
(() => {
  const list = document.querySelector(".samples");
  const scrollers = document.querySelectorAll("[data-scroll]");
  const reach = () => {
    for (const box of scrollers) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  reach();
  addEventListener("resize", reach);
  if (!list) return;
  const order = document.getElementById("order");
  const shown = document.getElementById("shown");
  const samples = [...list.children];
  const keys = {
    place: (sample) => Number(sample.dataset.place),
    gain: (sample) => -Number(sample.dataset.gain),
    loss: (sample) => Number(sample.dataset.gain),
  };
  const sort = () => {
    const key = keys[order.value];
    list.append(...samples.sort((a, b) => key(a) - key(b) || keys.place(a) - keys.place(b)));
  };
  const count = () => {
    const visible = samples.filter((sample) => sample.offsetParent !== null).length;
    shown.value = `${visible} of ${samples.length} queries shown`;
  };
  order.parentElement.hidden = false;
  order.addEventListener("change", sort);
  order.form.addEventListener("change", count);
  order.form.addEventListener("submit", (event) => event.preventDefault());
  sort();
})();
