(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

  const map = document.getElementById("map-figure");
  const area = document.getElementById("map-area");
  const trail = document.getElementById("map-trail");
  const cursor = document.getElementById("map-cursor");
  const tip = document.getElementById("map-tip");
  const status = document.getElementById("map-status");
  const player = document.getElementById("map-player");
  const song = document.getElementById("song-player");
  let at = 0;
  let playing = -1;

  const show = (i) => {
    at = i;
    const [x, y, k, seconds] = data.points[i];
    const path = data.points.filter((point) => point[2] === k).map((point) => `${point[0]} ${point[1]}`);
    trail.setAttribute("d", `M${path.join("L")}`);
    cursor.setAttribute("d", `M${x} ${y}h0`);
    tip.textContent = `${data.tracks[k].name}, ${data.tracks[k].genre}, ${clock(seconds)}`;
    tip.style.left = `${x}%`;
    tip.style.top = `${y}%`;
    tip.style.translate = `${x > 50 ? "calc(-100% - 0.9rem)" : "0.9rem"} -50%`;
    tip.hidden = false;
    status.textContent = tip.textContent;
  };

  const play = (i) => {
    const [, , k, seconds] = data.points[i];
    if (!player || !data.tracks[k].sound) {
      status.textContent += " (no sound: its file was not in the corpus)";
      return;
    }
    if (song) song.pause();
    playing = k;
    player.src = `${data.tracks[k].sound}#t=${seconds}`;
    player.play().catch(() => {});
  };

  const nearest = (event) => {
    const box = area.getBoundingClientRect();
    let best = -1;
    let least = 28 ** 2;
    data.points.forEach(([x, y], i) => {
      const dx = (x / 100) * box.width - (event.clientX - box.left);
      const dy = (y / 100) * box.height - (event.clientY - box.top);
      if (dx * dx + dy * dy < least) [best, least] = [i, dx * dx + dy * dy];
    });
    return best;
  };

  map.addEventListener("pointermove", (event) => {
    const i = nearest(event);
    if (i >= 0) show(i);
  });
  map.addEventListener("click", (event) => {
    const i = nearest(event);
    if (i >= 0) {
      show(i);
      play(i);
    }
  });
  map.addEventListener("focus", () => show(at));
  map.addEventListener("keydown", (event) => {
    const k = data.points[at][2];
    const n = data.tracks.length;
    const first = (track) => data.points.findIndex((point) => point[2] === (track + n) % n);
    const to = {
      ArrowLeft: () => Math.max(0, at - 1),
      ArrowRight: () => Math.min(data.points.length - 1, at + 1),
      ArrowUp: () => first(k - 1),
      ArrowDown: () => first(k + 1),
    }[event.key];
    if (to) show(to());
    else if (event.key === "Enter") play(at);
    else if (event.key === " " && player && !player.paused) player.pause();
    else if (event.key === " ") play(at);
    else return;
    event.preventDefault();
  });
  if (player) {
    player.addEventListener("timeupdate", () => {
      const i = data.points.findLastIndex((point) => point[2] === playing && point[3] <= player.currentTime + 0.01);
      if (i >= 0 && !player.paused) show(i);
    });
    player.addEventListener("error", () => {
      status.textContent = "Cannot be played: the corpus is no longer where it was when this page was written.";
    });
  }

  for (const button of document.querySelectorAll("[data-only]")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") === "false";
      for (const other of document.querySelectorAll("[data-only]")) {
        other.setAttribute("aria-pressed", String(on && other.dataset.only === button.dataset.only));
      }
      for (const dots of document.querySelectorAll(".by-genre .dots")) {
        dots.classList.toggle("dim", on && !dots.classList.contains(button.dataset.only));
      }
    });
  }

  if (song) {
    const [start, stop] = data.song;
    const heats = document.querySelectorAll(".heat");
    const follow = () => {
      const place = (song.currentTime - start) / (stop - start);
      for (const heat of heats) heat.style.setProperty("--at", `${100 * Math.min(1, place)}%`);
      if (!song.paused) requestAnimationFrame(follow);
    };
    song.addEventListener("play", () => {
      if (player) player.pause();
      follow();
    });
    song.addEventListener("seeked", follow);
    for (const heat of heats) {
      heat.addEventListener("click", (event) => {
        const box = heat.getBoundingClientRect();
        song.currentTime = Math.max(0, start + ((event.clientX - box.left) / box.width) * (stop - start));
        song.play().catch(() => {});
      });
    }
  }
})();
