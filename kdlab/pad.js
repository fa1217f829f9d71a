function render({ model, el }) {
  const side = 224, small = 32;
  const pad = document.createElement("canvas");
  pad.width = pad.height = side;
  pad.style.cssText = "border: 1px solid #888; background: #fff; touch-action: none; cursor: crosshair";
  pad.setAttribute("role", "img");
  pad.setAttribute("aria-label", "Drawing area: draw one digit with the mouse or a finger");
  const pen = pad.getContext("2d", { willReadFrequently: true });
  pen.lineWidth = 20;
  pen.lineCap = pen.lineJoin = "round";
  const clear = document.createElement("button");
  clear.textContent = "Clear";
  clear.style.cssText = "display: block; margin-top: 6px; padding: 4px 12px";
  const send = () => {
    const shrunk = document.createElement("canvas");
    shrunk.width = shrunk.height = small;
    const pixels = shrunk.getContext("2d");
    pixels.drawImage(pad, 0, 0, small, small);
    const data = pixels.getImageData(0, 0, small, small).data;
    model.set("ink", Array.from({ length: small * small }, (_, i) => data[4 * i + 3] / 255));
    model.save_changes();
  };
  const at = (event) => [event.offsetX, event.offsetY];
  let drawing = false;
  pad.onpointerdown = (event) => {
    drawing = true;
    pad.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...at(event));
    pen.lineTo(...at(event));
    pen.stroke();
  };
  pad.onpointermove = (event) => {
    if (!drawing) return;
    pen.lineTo(...at(event));
    pen.stroke();
  };
  pad.onpointerup = pad.onpointercancel = () => { drawing = false; send(); };
  clear.onclick = () => { pen.clearRect(0, 0, side, side); send(); };
  el.append(pad, clear);
}
export default { render };
