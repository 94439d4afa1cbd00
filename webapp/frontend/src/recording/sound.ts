/** The samples of a stretch of sound, piece by piece, so that no second copy of all of it is made. */
export class SoundReader {
  readonly #audio: AudioBuffer;
  readonly #startSample: number;
  readonly #endSample: number;
  #nextSample: number;

  constructor(audio: AudioBuffer, fromSeconds: number, durationSeconds: number) {
    const sampleAt = (seconds: number) => Math.min(audio.length, Math.round(seconds * audio.sampleRate));
    this.#audio = audio;
    this.#startSample = sampleAt(fromSeconds);
    this.#endSample = sampleAt(fromSeconds + durationSeconds);
    this.#nextSample = this.#startSample;
  }

  get nSamples(): number {
    return this.#endSample - this.#startSample;
  }

  /** What has not been read up to so many seconds from the stretch's start; null when there is nothing. */
  readUntil(seconds: number): AudioBuffer | null {
    const { sampleRate, numberOfChannels } = this.#audio;
    const end = Math.min(this.#endSample, this.#startSample + Math.round(seconds * sampleRate));
    const length = end - this.#nextSample;
    if (length <= 0) return null;
    const piece = new AudioBuffer({ length, numberOfChannels, sampleRate });
    for (let channel = 0; channel < numberOfChannels; channel++) {
      piece.copyToChannel(this.#audio.getChannelData(channel).subarray(this.#nextSample, end), channel);
    }
    this.#nextSample = end;
    return piece;
  }
}
