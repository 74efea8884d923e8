/** Listeners by kind of event. A listener that throws disturbs nobody else. */
export class Emitter<Events> {
  private readonly listeners = new Map<keyof Events, Set<(value: never) => void>>();

  on<K extends keyof Events>(kind: K, listener: (value: Events[K]) => void): () => void {
    const those = this.listeners.get(kind) ?? new Set();
    this.listeners.set(kind, those);
    those.add(listener as (value: never) => void);
    return () => those.delete(listener as (value: never) => void);
  }

  emit<K extends keyof Events>(kind: K, value: Events[K]): void {
    for (const listener of [...(this.listeners.get(kind) ?? [])]) {
      try {
        (listener as (value: Events[K]) => void)(value);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
