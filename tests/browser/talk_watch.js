// Runs in the page before its own scripts: notes what comes, what is shown, heard and seen.
Object.assign(window, { told: [], words: [], lines: [], faults: [], film: [], states: [] });
addEventListener('error', e => faults.push(`error: ${e.message}`));
addEventListener('unhandledrejection', e => faults.push(`rejection: ${e.reason}`));
addEventListener('securitypolicyviolation', e => faults.push(`${e.violatedDirective} ${e.blockedURI}`));
const clock = () => performance.now() / 1000;
const Socket = WebSocket;
window.WebSocket = class extends Socket {
  constructor(url, names) {
    super(url, names);
    if (!String(url).includes('/events')) return;
    window.session = String(url).match(/sessions\/([^/]+)/)[1];
    this.addEventListener('message', ({ data }) => {
      const event = JSON.parse(data);
      if (event.type !== 'pong') told.push({ ...event, wall: clock() });
    });
  }
};
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await ask(wish);
  window.opened = clock(); // when the microphone's file begins
  return stream;
};
addEventListener('click', () => window.clicked = clock(), true);
// What is shown, each time that it changes.
new MutationObserver(() => {
  const now = document.querySelector('.now');
  const word = now?.textContent ?? '';
  const place = now ? [...now.parentNode.children].indexOf(now) : -1;
  const line = now?.parentNode.textContent ?? '';
  const last = words.at(-1);
  if (last?.word !== word || last?.place !== place || last?.line !== line)
    words.push({ word, place, line, wall: clock() });
  const text = document.querySelector('.captions')?.innerText.trim() ?? '';
  if (lines.at(-1) !== text) lines.push(text);
  const state = document.querySelector('.state p')?.textContent.trim() ?? '';
  if (states.at(-1)?.state !== state) states.push({ state, wall: clock() });
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
// What is heard: the sound that the player plays, and whether it lets it out.
window.tape = [];
let reader = null;
window.listen = () => {
  const player = document.querySelector('video');
  const stream = player.srcObject ?? player.captureStream();
  const track = stream.getAudioTracks()[0].clone();
  reader?.cancel();
  const mine = reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1000 }).readable.getReader();
  tape.length = 0;
  (async () => {
    for (;;) {
      const { value, done } = await mine.read();
      if (done || mine !== reader) return;
      const data = new Float32Array(value.numberOfFrames);
      value.copyTo(data, { planeIndex: 0, format: 'f32-planar' });
      const out = !player.muted && !player.paused && player.volume > 0;
      tape.push({ wall: clock(), at: value.timestamp / 1e6, rate: value.sampleRate, out, data });
      value.close();
    }
  })();
};
window.heard = () => {
  const bytes = new Uint8Array(2 * tape.reduce((sum, x) => sum + x.data.length, 0));
  const samples = new Int16Array(bytes.buffer);
  let place = 0;
  for (const { data } of tape)
    for (const x of data) samples[place++] = Math.max(-1, Math.min(1, x)) * 32767;
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192)
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return { rate: tape[0]?.rate ?? 0, pcm: btoa(text),
    parts: tape.map(x => [x.wall, x.at, x.data.length, x.out ? 1 : 0]) };
};
// What is seen: a picture now and then, as it is shown.
window.watch = (every) => {
  const player = document.querySelector('video');
  const canvas = new OffscreenCanvas(player.videoWidth, player.videoHeight);
  const brush = canvas.getContext('2d');
  let next = 0;
  const see = async () => {
    if (window.film === null) return;
    const wall = clock();
    if (wall >= next) {
      next = wall + every;
      brush.drawImage(player, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
      const bytes = new Uint8Array(await blob.arrayBuffer());
      let text = '';
      for (let i = 0; i < bytes.length; i += 8192)
        text += String.fromCharCode(...bytes.subarray(i, i + 8192));
      window.film?.push({ wall, picture: btoa(text) });
    }
    player.requestVideoFrameCallback(see);
  };
  window.film = [];
  player.requestVideoFrameCallback(see);
};
