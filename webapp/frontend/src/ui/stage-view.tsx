import { useSignal, type Signal } from "@preact/signals";
import type { JSX, RefObject } from "preact";
import { useEffect } from "preact/hooks";
import type { Playground } from "./playground";
import { Stage } from "./stage";

interface StageViewProps {
  readonly playground: Playground;
  readonly canvas: RefObject<HTMLCanvasElement | null>;
  /** Told whether anything can be drawn. */
  readonly drawable: Signal<boolean>;
  /** Told which canvas is drawn on. */
  readonly onCanvas: (canvas: HTMLCanvasElement) => void;
  readonly onClick: () => void;
  readonly onPress: (pointerType: string) => void;
}

/** The picture. A canvas whose graphics context is lost for good makes room for another, once. */
export function StageView({
  playground,
  canvas,
  drawable,
  onCanvas,
  onClick,
  onPress,
}: StageViewProps): JSX.Element {
  const second = useSignal(false);
  useEffect(() => {
    if (!canvas.current) return;
    const renew = second.value ? null : () => (second.value = true);
    const stage = new Stage({ playground, canvas: canvas.current, renew });
    onCanvas(canvas.current);
    const unsubscribe = stage.available.subscribe((available) => (drawable.value = available));
    return () => {
      unsubscribe();
      stage.dispose();
    };
  }, [playground, canvas, drawable, onCanvas, second, second.value]);
  return (
    <canvas
      key={second.value ? "second" : "first"}
      id="stage"
      ref={canvas}
      aria-label={`Picture: ${playground.choices.visual.value.title}`}
      role="img"
      style={{ opacity: drawable.value ? 1 : 0 }} // what was drawn last is no picture for the meters to stand on
      onClick={onClick}
      onPointerDown={(event) => onPress(event.pointerType)}
    />
  );
}
