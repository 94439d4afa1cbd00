/** MP3 files of silence whose frames have any bitrate. For tests only. */

const SAMPLE_RATE_HZ = 44100;
const SAMPLES_PER_FRAME = 1152;
/** kbit/s of MPEG 1 layer III, by their index in a frame's header. */
const BITRATES_KBPS = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];

/**
 * Stereo frames, one after the other, without any tag: a reader knows how long they last only when it has seen all.
 *
 * @param parts so many seconds at so many kbit/s
 */
export function silentMp3(
  parts: readonly { readonly seconds: number; readonly kbps: number }[],
): Uint8Array<ArrayBuffer> {
  const frames = parts.flatMap(({ seconds, kbps }) => {
    const bytes = Math.floor((144 * kbps * 1000) / SAMPLE_RATE_HZ);
    const frame = new Uint8Array(bytes); // side information of zeros: no frequency has any energy
    frame.set([0xff, 0xfb, BITRATES_KBPS.indexOf(kbps) << 4, 0x00]);
    return Array<Uint8Array>(Math.round((seconds * SAMPLE_RATE_HZ) / SAMPLES_PER_FRAME)).fill(frame);
  });
  const file = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  frames.reduce((offset, frame) => (file.set(frame, offset), offset + frame.length), 0);
  return file;
}
