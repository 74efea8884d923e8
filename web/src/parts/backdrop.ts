/** Colours of a picture's background, left and right of the head, as CSS colours. */
export interface Backdrop {
  left: string;
  right: string;
}

const SIZE = 32;
/** The upper corners show background in a portrait; rows and columns of the 32 that are looked at. */
const ROWS = 8;
const COLUMNS = 3;

let canvas: HTMLCanvasElement | null = null;

/** Read them; null while there is no picture yet. */
export function readBackdrop(source: HTMLVideoElement | HTMLImageElement): Backdrop | null {
  const width = source instanceof HTMLVideoElement ? source.videoWidth : source.naturalWidth;
  if (!width) return null;
  canvas ??= document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return null;
  context.drawImage(source, 0, 0, SIZE, SIZE);
  const { data } = context.getImageData(0, 0, SIZE, SIZE);
  return {
    left: averageColour(data, 0, COLUMNS),
    right: averageColour(data, SIZE - COLUMNS, SIZE),
  };
}

function averageColour(data: Uint8ClampedArray, from: number, to: number): string {
  const channels = [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let y = 0; y < ROWS; y++)
      for (let x = from; x < to; x++) sum += data[(y * SIZE + x) * 4 + channel] ?? 0;
    return Math.round(sum / (ROWS * (to - from)));
  });
  return `rgb(${channels.join(" ")})`;
}
