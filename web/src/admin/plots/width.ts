import { onBeforeUnmount, onMounted, type Ref, ref } from "vue";

/** The width of an element in pixels, as it changes: text in a plot keeps its size. */
export function useWidth(element: Ref<HTMLElement | null>, first = 600): Ref<number> {
  const width = ref(first);
  let observer: ResizeObserver | null = null;
  onMounted(() => {
    if (!element.value) return;
    observer = new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) width.value = entry.contentRect.width;
    });
    observer.observe(element.value);
  });
  onBeforeUnmount(() => observer?.disconnect());
  return width;
}
