// What the scripts say, in the language of the page; English where there is no catalogue. And the links to the other languages: they lead
// to the same view, whose state lies in the address.
"use strict";

const say = (text, values = {}) =>
  (self.squeezemarkWords?.[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
const sayCount = (n, one, many, values = {}) => say(n === 1 ? one : many, { n, ...values });

for (const link of document.querySelectorAll("a[hreflang]"))
  for (const event of ["pointerdown", "focus", "click"])
    link.addEventListener(event, () => {
      link.hash = location.hash;
    });
