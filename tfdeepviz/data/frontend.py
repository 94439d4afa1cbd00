"""PCM to MFCC as a TensorFlow graph, equivalent to `librosa.feature.mfcc`.

The graph uses only reshapes, matrix products and element-wise operations, so that the same graph runs in TensorFlow,
in a SavedModel and, converted, in TensorFlow.js, whose fast backends have no FFT for these frame lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft
import tensorflow as tf

from tfdeepviz.data.mel import mel_filter_bank
from tfdeepviz.params import AudioParams

# Frames per call of the graph. Intermediate results fit into the CPU caches, and memory does not grow with the track.
# The result does not depend on this number.
_BLOCK_FRAMES = 1_024

# Terms per sum in a matrix product. TensorFlow splits longer sums into blocks whose size, and with it the rounding,
# depends on the number of threads and the size of the product. It never splits sums of at most 64 terms.
_MOST_TERMS = 64


class MfccFrontend(tf.Module):  # type: ignore[misc]  # TensorFlow is not typed
    """Framing, window, DFT, mel filter bank, logarithm and DCT for one `AudioParams`.

    The DFT of `n = n1 * n2` points takes the two steps of Cooley and Tukey (1965): DFTs of `n1` points, twiddle
    factors, DFTs of `n2` points. Compared with a single DFT matrix, these matrix products need kilobytes of constants
    instead of megabytes and a third of the work, and their shorter sums lose less precision.
    """

    def __init__(self, params: AudioParams) -> None:
        super().__init__(name="mfcc_frontend")
        self.params = params
        n = params.n_fft
        n1 = min((d for d in range(2, n, 2) if n % d == 0), key=lambda d: d + n // d, default=n)
        n2 = n // n1
        # The input is real, so the lower half of the first step, whose size is even, is enough.
        half = n1 // 2 + 1
        self._sizes = (n1, n2, half)
        # In the order of the samples: sample n2 * a + b is at [a, b].
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
        self._window = window.astype(np.float32)
        first = np.exp(-2j * np.pi * (np.outer(np.arange(n1), np.arange(half)) % n1) / n1)  # (n1, half)
        self._first_real, self._first_imaginary = first.real.astype(np.float32), first.imag.astype(np.float32)
        twist = np.exp(-2j * np.pi * np.outer(np.arange(n2), np.arange(half)) / n)  # (n2, half)
        self._twist_real, self._twist_imaginary = twist.real.astype(np.float32), twist.imag.astype(np.float32)
        second = np.exp(-2j * np.pi * (np.outer(np.arange(n2), np.arange(n2)) % n2) / n2)
        # Both take real and imaginary parts stacked: (2 * n2, n2).
        self._second_real = np.concatenate([second.real, -second.imag]).astype(np.float32)
        self._second_imaginary = np.concatenate([second.imag, second.real]).astype(np.float32)
        self._mel = self._permuted_mel()
        dct = scipy.fft.dct(np.eye(params.n_mels), axis=0, type=2, norm="ortho")
        self._dct = dct[: params.n_mfcc].T.astype(np.float32)
        signature = [tf.TensorSpec([None], tf.float32, name="pcm"), tf.TensorSpec([], tf.float32, name="floor_db")]
        self.graph = tf.function(self._mfcc, input_signature=signature)
        self._log_mel_graph = tf.function(self._log_mel, input_signature=signature[:1])

    def _permuted_mel(self) -> npt.NDArray[np.float32]:
        """Mel filter bank for bins in the output order of the two-step DFT [shape=(half * n2, n_mels)]."""
        p, (n1, n2, half) = self.params, self._sizes
        mel = mel_filter_bank(p).T  # (n_bins, n_mels)
        permuted = np.zeros((half * n2, p.n_mels), np.float32)
        # Bin k is at row k % n1, column k // n1. If that row was dropped, the mirror bin n_fft - k has the same power.
        for k in range(p.n_bins):
            bin_ = k if k % n1 < half else p.n_fft - k
            permuted[(bin_ % n1) * n2 + bin_ // n1] = mel[k]
        return permuted

    def _log_mel(self, pcm: tf.Tensor) -> tf.Tensor:
        """Log-mel spectrum in dB, without a floor [shape=(n_frames, n_mels)]."""
        p = self.params
        hops = tf.reshape(pcm, [-1, p.hop_length])  # (n_frames + overlap_hops, hop_length)
        n_frames = tf.shape(hops)[0] - p.overlap_hops
        # Slicing the last axis is slow in TensorFlow.js. So this slices only the short remainder in the last hop, and
        # computes real and imaginary parts in separate products.
        rest = p.n_fft - p.overlap_hops * p.hop_length
        runs = [hops[i : i + n_frames] for i in range(p.overlap_hops)] + [hops[p.overlap_hops :, :rest]]
        n1, n2, half = self._sizes
        x = tf.reshape(tf.concat(runs, axis=1) * self._window, [-1, n1, n2])  # (n_frames, n1, n2)
        x = tf.reshape(tf.transpose(x, [0, 2, 1]), [-1, n1])  # (n_frames * n2, n1)
        y_real = tf.reshape(_product(x, self._first_real), [-1, n2, half])
        y_imaginary = tf.reshape(_product(x, self._first_imaginary), [-1, n2, half])
        z = tf.concat(
            [
                y_real * self._twist_real - y_imaginary * self._twist_imaginary,
                y_real * self._twist_imaginary + y_imaginary * self._twist_real,
            ],
            axis=1,
        )  # (n_frames, 2 * n2, half)
        z = tf.reshape(tf.transpose(z, [0, 2, 1]), [-1, 2 * n2])  # (n_frames * half, 2 * n2)
        real, imaginary = _product(z, self._second_real), _product(z, self._second_imaginary)
        power = tf.reshape(tf.square(real) + tf.square(imaginary), [-1, half * n2])
        mel = _product(power, self._mel)  # (n_frames, n_mels)
        # The tiny constant only prevents log(0); the floor is applied after the logarithm.
        return tf.math.log(tf.maximum(mel, 1e-20)) * np.float32(10 / np.log(10))

    def _mfcc(self, pcm: tf.Tensor, floor_db: tf.Tensor) -> dict[str, tf.Tensor]:
        log_mel = self._log_mel(pcm)
        return {"mfcc": self._cepstrum(tf.maximum(log_mel, floor_db)), "peak_db": tf.reduce_max(log_mel)}

    def _cepstrum(self, log_mel: tf.Tensor) -> tf.Tensor:
        """DCT of log-mel frames [shape=(n_frames, n_mfcc)]."""
        # The first coefficient sums large values, so split the sum at least in two: the shorter float32 sums lose a
        # third as much precision.
        return _product(log_mel, self._dct, most_terms=min(_MOST_TERMS, (self.params.n_mels + 1) // 2))

    def mfcc_in_graph(self, pcm: tf.Tensor) -> tf.Tensor:
        """`mfcc` for use inside another graph; processes the whole track at once."""
        return self._cepstrum(self.log_mel_in_graph(pcm))

    def log_mel_in_graph(self, pcm: tf.Tensor) -> tf.Tensor:
        """`log_mel` for use inside another graph; processes the whole track at once."""
        p = self.params
        n_total = (1 + tf.size(pcm) // p.hop_length + p.overlap_hops) * p.hop_length
        after = tf.maximum(0, n_total - p.pad_samples - tf.size(pcm))
        log_mel = self._log_mel(tf.pad(pcm, [[p.pad_samples, after]])[:n_total])
        floor_db = p.floor_db if p.top_db is None else tf.maximum(p.floor_db, tf.reduce_max(log_mel) - p.top_db)
        return tf.maximum(log_mel, floor_db)

    def _run(self, pcm: npt.NDArray[np.float32], first: int, count: int) -> npt.NDArray[np.float32]:
        """Samples under `count` frames from frame `first` on, with zeros beyond the track's ends."""
        p = self.params
        start = first * p.hop_length - p.pad_samples
        stop = start + (count + p.overlap_hops) * p.hop_length
        inside = pcm[max(start, 0) : stop]
        before = max(-start, 0)
        after = stop - start - before - inside.size
        # Only a track's ends need a copy.
        return np.pad(inside, (before, after)) if before or after else inside

    def _blocks(self, pcm: npt.NDArray[np.float32]) -> Iterator[tf.Tensor]:
        n_frames = self.params.n_frames(pcm.size)
        for first in range(0, n_frames, _BLOCK_FRAMES):
            yield tf.constant(self._run(pcm, first, min(_BLOCK_FRAMES, n_frames - first)))

    def _floor_db(self, peaks_db: Iterable[float]) -> float:
        """Floor of a track, given the log-mel peaks of its blocks; consumes them only if the floor depends on them."""
        p = self.params
        return p.floor_db if p.top_db is None else max(p.floor_db, max(peaks_db) - p.top_db)

    def mfcc(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """MFCC [shape=(n_frames, n_mfcc)] of a whole track: mono samples in [-1, 1] at the params' rate.

        Time comes first: this is the transpose of what librosa returns.
        """
        pcm = np.asarray(pcm, np.float32)
        floor_db = self._floor_db(float(tf.reduce_max(self._log_mel_graph(block))) for block in self._blocks(pcm))
        return np.concatenate([self.graph(block, floor_db)["mfcc"].numpy() for block in self._blocks(pcm)])

    def log_mel(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Log-mel spectrum [shape=(n_frames, n_mels)] of a whole track in dB, with the same floor as its MFCC."""
        pcm = np.asarray(pcm, np.float32)
        log_mel = np.concatenate([self._log_mel_graph(block).numpy() for block in self._blocks(pcm)])
        floored: npt.NDArray[np.float32] = np.maximum(log_mel, np.float32(self._floor_db([float(log_mel.max())])))
        return floored


def _product(x: tf.Tensor, matrix: npt.NDArray[np.float32], most_terms: int = _MOST_TERMS) -> tf.Tensor:
    """Matrix product as a sum of partial products, so that its rounding does not depend on the number of threads."""
    n_terms, n_columns = matrix.shape
    if n_terms <= most_terms:
        return tf.matmul(x, matrix)
    # The reshape stops the converter from fusing the sum into a product with a bias, which WASM does not support here.
    parts = [
        tf.reshape(tf.matmul(x[:, i : i + most_terms], matrix[i : i + most_terms]), [-1, 1, n_columns])
        for i in range(0, n_terms, most_terms)
    ]
    return tf.reshape(sum(parts[1:], start=parts[0]), [-1, n_columns])
