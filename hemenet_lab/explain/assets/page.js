"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const NEUTRAL = [224, 224, 224];
  const UP = [178, 24, 43];
  const DOWN = [33, 102, 172];
  const LOOKED = [106, 27, 154];
  // Okabe and Ito, for all kinds of colour vision
  const CHAINS = [0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xd55e00, 0x999933, 0x882255];
  const STRONG = 0.5; // of the largest relevance: drawn with its side chain
  const ROWS = 12;
  const METHODS = {
    gradients: {
      title: "Integrated gradients",
      meaning: (unit) => `The share of the prediction (${unit}) that each residue adds (red) or takes away (blue).`,
    },
    occlusion: {
      title: "Occlusion",
      meaning: (unit) => `How far the prediction (${unit}) falls (red) or rises (blue) without the residue's side chain and type.`,
    },
    attention: {
      title: "Attention",
      meaning: () => "Where the task's readout looks. It does not say what would change the answer.",
    },
  };

  // --- what can be chosen ---------------------------------------------------------------------

  // a target has the maps of its term, and the attention of its task
  const targets = new Map();
  for (const map of data.maps) {
    if (map.method !== "attention") {
      const key = JSON.stringify([map.task, map.term]);
      targets.set(key, [...(targets.get(key) || []), map]);
    }
  }
  for (const map of data.maps.filter((one) => one.method === "attention")) {
    const mine = [...targets.values()].filter((maps) => maps[0].task === map.task);
    if (mine.length === 0) targets.set(JSON.stringify([map.task, ""]), [map]);
    for (const maps of mine) maps.push(map);
  }
  let chosen = null;
  let largest = 1;
  let viewer = null;
  let ribbon = "rectangle";
  let label = null; // of the residue that is pointed at
  const names = []; // labels of chains and ligand

  for (const [key, maps] of targets) {
    const option = document.createElement("option");
    option.value = key;
    option.textContent = maps[0].label;
    get("target").append(option);
  }

  function offerMethods() {
    const before = chosen && chosen.method;
    const maps = targets.get(get("target").value);
    const start = maps.find((one) => one.method === before) || maps[0];
    get("methods").replaceChildren(
      ...maps.map((map) => {
        const line = document.createElement("label");
        const button = document.createElement("input");
        button.type = "radio";
        button.name = "method";
        button.value = map.method;
        button.checked = map === start;
        button.addEventListener("change", () => choose(map));
        line.append(button, ` ${METHODS[map.method].title}`);
        return line;
      })
    );
    choose(start);
  }

  function choose(map) {
    chosen = map;
    largest = map.values.reduce((most, value) => Math.max(most, Math.abs(value || 0)), 0) || 1;
    get("meaning").textContent = METHODS[map.method].meaning(map.unit);
    drawLegend();
    listTop();
    paint();
  }

  // --- colours ----------------------------------------------------------------------------------

  function mixed(share) {
    const end = chosen.method === "attention" ? LOOKED : share < 0 ? DOWN : UP;
    const part = Math.min(1, Math.abs(share));
    return NEUTRAL.map((from, k) => Math.round(from + (end[k] - from) * part));
  }

  const css = (share) => `rgb(${mixed(share).join(",")})`;

  function colour(atom) {
    if (ticked("bychain")) {
      const chain = data.chain[atom.b];
      return chain < 0 ? 0x444444 : CHAINS[chain % CHAINS.length];
    }
    const [r, g, b] = mixed((chosen.values[atom.b] || 0) / largest);
    return (r << 16) | (g << 8) | b;
  }

  function shown(value) {
    if (value === null) return "no value";
    if (chosen.method === "attention") return `${(100 * value).toPrecision(3)} %`;
    return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toPrecision(3)}`;
  }

  function drawLegend() {
    const signed = chosen.method !== "attention";
    const stops = signed ? [-1, 0, 1] : [0, 1];
    get("bar").style.background = `linear-gradient(to right, ${stops.map(css).join(", ")})`;
    get("low").textContent = signed ? `lowers, ${shown(-largest)}` : "0 %";
    get("high").textContent = signed ? `raises, ${shown(largest)}` : shown(largest);
    get("unit").textContent = signed ? `Relevance (${chosen.unit})` : "Share of attention";
  }

  // --- the table of residues --------------------------------------------------------------------

  function listTop() {
    const order = chosen.values
      .map((value, node) => [Math.abs(value || 0), node])
      .sort((a, b) => b[0] - a[0] || a[1] - b[1])
      .slice(0, ROWS);
    get("top").tBodies[0].replaceChildren(
      ...order.map(([size, node]) => {
        const row = document.createElement("tr");
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = data.names[node];
        button.addEventListener("click", () => focusOn(node));
        row.insertCell().append(button);
        const cell = row.insertCell();
        cell.textContent = shown(chosen.values[node]);
        const tint = css(chosen.values[node] / largest);
        cell.style.backgroundImage = `linear-gradient(${tint}, ${tint})`;
        cell.style.backgroundSize = `${(50 * size) / largest}% .8rem`;
        return row;
      })
    );
  }

  // --- the picture ------------------------------------------------------------------------------

  const contacts = new Set(data.contacts);
  const ticked = (id) => get(id) !== null && get(id).checked;

  function paint() {
    if (viewer === null) return;
    const whole = new Set(ticked("contacts") ? contacts : []);
    if (ticked("strong")) {
      chosen.values.forEach((value, node) => {
        if (Math.abs(value || 0) > STRONG * largest) whole.add(node);
      });
    }
    const base = { colorfunc: colour };
    viewer.setStyle({}, {});
    viewer.setStyle({ hetflag: false }, { cartoon: { ...base, style: ribbon } });
    viewer.addStyle(
      { hetflag: false, predicate: (atom) => whole.has(atom.b) },
      { stick: { ...base, radius: 0.17 } }
    );
    viewer.setStyle(
      { hetflag: true },
      { stick: { ...base, radius: 0.22 }, sphere: { ...base, scale: 0.36 } }
    );
    viewer.render();
  }

  function tell(node) {
    get("hovered").textContent = `${data.names[node]}: ${shown(chosen.values[node])}`;
  }

  function mark(atom) {
    if (label !== null) viewer.removeLabel(label);
    label = viewer.addLabel(`${data.names[atom.b]}: ${shown(chosen.values[atom.b])}`, {
      position: { x: atom.x, y: atom.y, z: atom.z },
      backgroundColor: "black",
      backgroundOpacity: 0.85,
      fontSize: 15,
      inFront: true,
    });
    tell(atom.b);
  }

  function unmark() {
    if (label !== null) viewer.removeLabel(label);
    label = null;
  }

  function focusOn(node) {
    tell(node);
    if (viewer === null) return;
    const mine = { predicate: (atom) => atom.b === node };
    const atoms = viewer.selectedAtoms(mine);
    viewer.zoomTo({ within: { distance: 9, sel: mine } });
    mark(atoms.find((atom) => atom.atom === "CA") || atoms[0]);
    viewer.render();
  }

  function showWhole() {
    unmark();
    viewer.zoomTo();
    viewer.zoom(1.2); // zoomTo leaves room for every way to turn it
    viewer.render();
  }

  // the middle of each chain, if there are several, and of the ligand
  function nameParts() {
    for (const one of names.splice(0)) viewer.removeLabel(one);
    if (!ticked("labels")) return;
    const parts = data.chains.length > 1 ? data.chains.map((name, chain) => [name, chain]) : [];
    for (const [name, chain] of [...parts, ["ligand", -1]]) {
      const own = viewer.selectedAtoms({ predicate: (atom) => data.chain[atom.b] === chain });
      if (own.length === 0) continue;
      const middle = (axis) => own.reduce((sum, atom) => sum + atom[axis], 0) / own.length;
      const place = {
        position: { x: middle("x"), y: middle("y"), z: middle("z") },
        backgroundColor: "white",
        backgroundOpacity: 0.8,
        fontColor: "black",
        borderColor: "gray",
        borderThickness: 1,
        fontSize: 14,
        inFront: true,
      };
      const beside = { alignment: "bottomLeft", screenOffset: { x: 24, y: 24 } };
      names.push(viewer.addLabel(name, chain < 0 ? { ...place, ...beside } : place));
    }
  }

  function open() {
    const canvas = document.createElement("canvas");
    if (!(canvas.getContext("webgl2") || canvas.getContext("webgl"))) {
      get("viewer").hidden = true;
      get("failed").hidden = false;
      return;
    }
    viewer = $3Dmol.createViewer(get("viewer"), { backgroundColor: "white", hoverDuration: 60 });
    viewer.addModel(data.structure, "cif");
    const atoms = viewer.selectedAtoms({ hetflag: false });
    const count = (name) => atoms.filter((atom) => atom.atom === name).length;
    // a ribbon needs the carbonyl oxygens; without them a line through the CA is drawn
    if (2 * count("O") < count("CA")) ribbon = "trace";
    viewer.setHoverable({}, true, mark, unmark);
    viewer.setClickable({}, true, mark);
  }

  open();
  offerMethods();
  get("target").addEventListener("change", offerMethods);
  for (const id of ["contacts", "strong", "bychain"]) get(id)?.addEventListener("change", paint);
  if (viewer !== null) {
    nameParts();
    showWhole();
    get("labels")?.addEventListener("change", nameParts);
    get("reset").addEventListener("click", showWhole);
    get("near")?.addEventListener("click", () => {
      unmark();
      viewer.zoomTo({ predicate: (atom) => contacts.has(atom.b) || data.chain[atom.b] < 0 });
      viewer.render();
    });
  }
})();
