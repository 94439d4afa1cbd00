"""PCM to MFCC as a TensorFlow graph, equal to `librosa.feature.mfcc`.

The graph is made of reshapes, matrix products and element-wise maths only, so that the very same one runs in
TensorFlow, in a SavedModel and, converted, in TensorFlow.js, whose fast backends have no FFT for these frame lengths.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft
import tensorflow as tf
from librosa.filters import mel as mel_filter_bank

from tfdeepviz.params import AudioParams


class MfccFrontend(tf.Module):  # type: ignore[misc]
    """Frames, window, DFT, mel filter bank, logarithm and DCT for one `AudioParams`.

    The DFT of `n = n1 * n2` points is done in the two steps of Cooley and Tukey (1965): small DFTs of `n1` points, a
    twist, small DFTs of `n2` points. As matrix products these need a few kilobytes of constants where one big matrix
    has megabytes, a third of the work, and shorter sums, which lose less precision.
    """

    def __init__(self, params: AudioParams) -> None:
        super().__init__(name="mfcc_frontend")
        self.params = params
        n = params.n_fft
        n1 = min(
            (d for d in range(2, n, 2) if n % d == 0), key=lambda d: d + n // d, default=n
        )  # even, so that it halves
        n2 = n // n1
        # Of the first step only the lower half is needed: the input is real.
        half = n1 // 2 + 1
        self._sizes = (n1, n2, half)
        # Kept as the samples lie: sample n2 * a + b at [a, b].
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
        self._window = window.astype(np.float32)
        first = np.exp(-2j * np.pi * (np.outer(np.arange(n1), np.arange(half)) % n1) / n1)  # (n1, half)
        self._first_real, self._first_imaginary = first.real.astype(np.float32), first.imag.astype(np.float32)
        twist = np.exp(-2j * np.pi * np.outer(np.arange(n2), np.arange(half)) / n)  # (n2, half)
        self._twist_real, self._twist_imaginary = twist.real.astype(np.float32), twist.imag.astype(np.float32)
        second = np.exp(-2j * np.pi * (np.outer(np.arange(n2), np.arange(n2)) % n2) / n2)
        # They take real and imaginary parts stacked: (2 * n2, n2).
        self._second_real = np.concatenate([second.real, -second.imag]).astype(np.float32)
        self._second_imaginary = np.concatenate([second.imag, second.real]).astype(np.float32)
        self._mel = self._permuted_mel()
        self._dct = scipy.fft.dct(np.eye(params.n_mels), axis=0, type=2, norm="ortho")[: params.n_mfcc].T.astype(
            np.float32
        )
        self.graph = tf.function(
            self._mfcc,
            input_signature=[
                tf.TensorSpec([None], tf.float32, name="pcm"),
                tf.TensorSpec([], tf.float32, name="floor_db"),
            ],
        )

    def _permuted_mel(self) -> npt.NDArray[np.float32]:
        """Mel filter bank for bins in the order in which the two steps give them [shape=(half * n2, n_mels)]."""
        p, (n1, n2, half) = self.params, self._sizes
        mel = mel_filter_bank(
            sr=p.sample_rate_hz, n_fft=p.n_fft, n_mels=p.n_mels, fmin=p.f_min_hz, fmax=p.f_max_hz
        ).T  # (n_bins, n_mels)
        permuted = np.zeros((half * n2, p.n_mels), np.float32)
        # Bin k stands at row k % n1, column k // n1; if that row was left out, its mirror n_fft - k has the same power.
        for k in range(p.n_bins):
            bin_ = k if k % n1 < half else p.n_fft - k
            permuted[(bin_ % n1) * n2 + bin_ // n1] = mel[k]
        return permuted

    def _mfcc(self, pcm: tf.Tensor, floor_db: tf.Tensor) -> dict[str, tf.Tensor]:
        p = self.params
        hops = tf.reshape(pcm, [-1, p.hop_length])  # (n_frames + overlap_hops, hop_length)
        n_frames = tf.shape(hops)[0] - p.overlap_hops
        # Slices of the last axis are slow in TensorFlow.js, so this takes one, of the last hop's small rest only, and
        # real and imaginary parts come from products of their own.
        rest = p.n_fft - p.overlap_hops * p.hop_length
        runs = [hops[i : i + n_frames] for i in range(p.overlap_hops)] + [hops[p.overlap_hops :, :rest]]
        n1, n2, half = self._sizes
        x = tf.reshape(tf.concat(runs, axis=1) * self._window, [-1, n1, n2])  # (n_frames, n1, n2)
        x = tf.reshape(tf.transpose(x, [0, 2, 1]), [-1, n1])  # (n_frames * n2, n1)
        y_real = tf.reshape(tf.matmul(x, self._first_real), [-1, n2, half])
        y_imaginary = tf.reshape(tf.matmul(x, self._first_imaginary), [-1, n2, half])
        z = tf.concat(
            [
                y_real * self._twist_real - y_imaginary * self._twist_imaginary,
                y_real * self._twist_imaginary + y_imaginary * self._twist_real,
            ],
            axis=1,
        )  # (n_frames, 2 * n2, half)
        z = tf.reshape(tf.transpose(z, [0, 2, 1]), [-1, 2 * n2])  # (n_frames * half, 2 * n2)
        real, imaginary = tf.matmul(z, self._second_real), tf.matmul(z, self._second_imaginary)
        power = tf.reshape(tf.square(real) + tf.square(imaginary), [-1, half * n2])
        mel = tf.matmul(power, self._mel)  # (n_frames, n_mels)
        # The floor is applied after the logarithm; the tiny constant only keeps log(0) away.
        log_mel = tf.math.log(tf.maximum(mel, 1e-20)) * np.float32(10 / np.log(10))
        floored = tf.maximum(log_mel, floor_db)
        # In two halves, because the first coefficient sums up large values: shorter float32 sums lose a third as much.
        # Stacked, because the converter would fuse a plain sum into a product with a bias, which WASM cannot do here.
        middle = p.n_mels // 2
        halves = [
            tf.matmul(floored[:, :middle], self._dct[:middle]),
            tf.matmul(floored[:, middle:], self._dct[middle:]),
        ]
        return {
            "mfcc": tf.reduce_sum(tf.stack(halves), axis=0),  # (n_frames, n_mfcc)
            "peak_db": tf.reduce_max(log_mel),
        }

    def pad(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Zeros around a track so that its frames are centred: input of `graph`.

        Parameters
        ----------
        pcm : np.ndarray [shape=(n_samples,)]

        Returns
        -------
        np.ndarray [shape=((n_frames + overlap_hops) * hop_length,)]
        """
        p = self.params
        n_total = (p.n_frames(pcm.size) + p.overlap_hops) * p.hop_length
        return np.pad(pcm, (p.pad_samples, max(0, n_total - p.pad_samples - pcm.size)))[:n_total]

    def mfcc(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """MFCC of a whole track.

        Parameters
        ----------
        pcm : np.ndarray [shape=(n_samples,)]
            Mono, at the params' rate, in [-1, 1].

        Returns
        -------
        np.ndarray [shape=(n_frames, n_mfcc), dtype=float32]
            Time first; the transpose of what librosa returns.
        """
        p = self.params
        padded = tf.constant(self.pad(np.asarray(pcm, np.float32)))
        floor_db = p.floor_db
        if p.top_db is not None:
            floor_db = max(floor_db, float(self.graph(padded, floor_db)["peak_db"]) - p.top_db)
        result: npt.NDArray[np.float32] = self.graph(padded, floor_db)["mfcc"].numpy()
        return result
