const SIZE = 32;
/** Columns at either edge that show background in a portrait, of `SIZE`. */
const EDGE = 2;
/** Rows that are averaged to one of the backdrop. */
const HEIGHT = 4;
/** Rows of the backdrop; those below the last show shoulders in a portrait, and repeat it. */
const ROWS = 6;
const LAST = 3;

let small: HTMLCanvasElement | null = null;

/**
 * Draw a picture's background without the person: the colours of its left and right edge, height
 * by height, on a canvas of 4 x 6 pixels that is stretched behind it. Returns the colours at its
 * top, from where it goes on upwards; null while there is no picture yet.
 */
export function drawBackdrop(
  source: HTMLVideoElement | HTMLImageElement,
  target: HTMLCanvasElement,
): { left: string; right: string } | null {
  const width = source instanceof HTMLVideoElement ? source.videoWidth : source.naturalWidth;
  if (!width) return null;
  small ??= document.createElement("canvas");
  small.width = small.height = SIZE;
  const from = small.getContext("2d", { willReadFrequently: true });
  const to = target.getContext("2d");
  if (!from || !to) return null;
  from.imageSmoothingQuality = "high";
  from.drawImage(source, 0, 0, SIZE, SIZE);
  const { data } = from.getImageData(0, 0, SIZE, SIZE);
  let top: { left: string; right: string } | null = null;
  for (let row = 0; row < ROWS; row++) {
    const y = Math.round((Math.min(row, LAST) * (SIZE - HEIGHT)) / (ROWS - 1));
    const [left, right] = [averageColour(data, y, 0), averageColour(data, y, SIZE - EDGE)];
    to.fillStyle = left;
    to.fillRect(0, row, 2, 1);
    to.fillStyle = right;
    to.fillRect(2, row, 2, 1);
    top ??= { left, right };
  }
  return top;
}

function averageColour(data: Uint8ClampedArray, row: number, from: number): string {
  const channels = [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let y = row; y < row + HEIGHT; y++)
      for (let x = from; x < from + EDGE; x++) sum += data[(y * SIZE + x) * 4 + channel] ?? 0;
    return Math.round(sum / (EDGE * HEIGHT));
  });
  return `rgb(${channels.join(" ")})`;
}
