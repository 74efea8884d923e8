// The document that tests run in lays nothing out and has no dialogs.
class NoResizes {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
globalThis.ResizeObserver ??= NoResizes as unknown as typeof ResizeObserver;
HTMLElement.prototype.scrollTo ??= () => undefined;
