"use strict";
(() => {
  const root = document.documentElement;
  const keep = (value) => { try { localStorage.setItem("featprobe-theme", value); } catch { /* a file may not */ } };
  const kept = () => { try { return localStorage.getItem("featprobe-theme"); } catch { return null; } };
  const theme = document.getElementById("theme");
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme:dark)").matches ? "dark" : "light")) === "dark";
  const named = () => { theme.textContent = dark() ? "Light theme" : "Dark theme"; };
  if (["dark", "light"].includes(kept())) root.dataset.theme = kept();
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; keep(root.dataset.theme); named(); dispatchEvent(new Event("featprobe-theme")); });
  named();
})();
