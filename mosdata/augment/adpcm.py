"""The G.726 codec sample by sample, compiled by numba: imported only where it is needed.

Integer arithmetic throughout, after ITU-T Recommendation G.726 (12/90): 40, 32, 24 and 16 kbit/s
adaptive differential pulse code modulation of linear samples at 8 kHz. The names of the steps are
those of the Recommendation (section 4.2). Every branch of it works on 16-bit quantities, and
integers give the same on every processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Integers = NDArray[np.int64]


def compiled(function: Function) -> Function:
    """Compiled at the first call, and kept on disk for the next process where there is a place."""
    try:
        made: Any = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # neither beside the package nor at home may anything be written
        made = njit(nogil=True)(function)
    return cast("Function", made)


LOG_FLOOR: Final = -2048
"""Logarithm of a quantised difference of zero: below any step."""


@compiled
def _bits(value: int) -> int:
    """Number of bits of a magnitude, at most 15: the exponent of the Recommendation's floats."""
    count = 0
    while value > 0 and count < 15:
        value >>= 1
        count += 1
    return count


@compiled
def _to_float(value: int) -> int:
    """FLOATA and FLOATB: sign, 4 bits of exponent and 6 of mantissa, as sign * (exp * 64 + m)."""
    magnitude = min(abs(value), 32767)
    if magnitude == 0:
        return 32
    exponent = _bits(magnitude)
    return (exponent << 6) + ((magnitude << 6) >> exponent)


@compiled
def _multiply(coefficient: int, float_part: int, is_negative: bool, rounding: int) -> int:
    """FMULT: a predictor coefficient times a sample in the short float format."""
    magnitude = coefficient if coefficient > 0 else (-coefficient) & 0x1FFF
    exponent = _bits(magnitude) - 6
    if magnitude == 0:
        mantissa = 32
    elif exponent >= 0:
        mantissa = magnitude >> exponent
    else:
        mantissa = magnitude << -exponent
    product_exponent = exponent + ((float_part >> 6) & 15) - 13
    product = (mantissa * (float_part & 63) + rounding) >> 4
    product = (
        (product << product_exponent) & 0x7FFF
        if product_exponent >= 0
        else product >> -product_exponent
    )
    return -product if (coefficient < 0) != is_negative else product


@compiled
def there_and_back(
    samples: Integers,
    decision_levels: Integers,
    log_outputs: Integers,
    multipliers: Integers,
    speeds: Integers,
    leak_shift: int,
    rounding: int,
) -> Integers:
    """Encode and decode; the decoder's state is the encoder's, so one pass gives both.

    Args:
        samples: 14-bit integers.
        decision_levels: of the normalised logarithm of the difference, for positive codes.
        log_outputs: by code, quantised log2 of the difference (times 128).
        multipliers: W(I) by code, times 32.
        speeds: F(I) by code, times 512.
        leak_shift: 9 at 40 kbit/s, else 8: how fast the zeros are forgotten.
        rounding: added to products in the predictor before four bits are dropped.

    Returns:
        Decoded samples, on the scale of 14 bits; may reach beyond it before clipping.
    """
    num_codes = len(log_outputs)
    half = num_codes // 2
    scale_fast, scale_slow = 544, 34816  # YU, YL: the smallest step
    speed_short = speed_long = speed_mix = 0  # DMS, DML, AP
    is_tone = False  # TD
    poles = np.zeros(2, np.int64)
    zeros = np.zeros(6, np.int64)
    past_difference = np.full(6, 32, np.int64)  # DQ in the short float format
    difference_is_negative = np.zeros(6, np.bool_)
    past_output = np.full(2, 32, np.int64)  # SR in the short float format
    output_is_negative = np.zeros(2, np.bool_)
    sign_1, sign_2 = 0, 0  # PK
    decoded = np.empty(len(samples), np.int64)
    for index in range(len(samples)):
        # Prediction: six zeros and two poles.
        zero_sum = 0
        for tap in range(6):
            zero_sum += _multiply(
                zeros[tap] >> 2, past_difference[tap], difference_is_negative[tap], rounding
            )
        pole_sum = 0
        for tap in range(2):
            pole_sum += _multiply(
                poles[tap] >> 2, past_output[tap], output_is_negative[tap], rounding
            )
        from_zeros = zero_sum >> 1
        predicted = (zero_sum + pole_sum) >> 1
        # MIX: the step between its fast and its slow estimate.
        if speed_mix >= 256:
            step = scale_fast
        else:
            step = scale_slow >> 6
            gap = scale_fast - step
            share = speed_mix >> 2
            if gap > 0:
                step += (gap * share) >> 6
            elif gap < 0:
                step += (gap * share + 63) >> 6
        # LOG, SUBTB, QUAN.
        difference = samples[index] - predicted
        magnitude = abs(difference)
        exponent = _bits(magnitude >> 1)
        log_magnitude = (exponent << 7) + (((magnitude << 7) >> exponent) & 127)
        normalised = log_magnitude - (step >> 2)
        rank = 0
        while rank < len(decision_levels) and normalised >= decision_levels[rank]:
            rank += 1
        if difference < 0:
            code = num_codes - 1 - rank
        elif rank == 0 and num_codes > 4:
            code = num_codes - 1  # no positive zero but at 16 kbit/s
        else:
            code = rank
        # ADDA, ANTILOG: the quantised difference.
        negative = code >= half
        log_difference = log_outputs[code] + (step >> 2)
        if log_difference < 0:
            size = 0
        else:
            size = ((128 + (log_difference & 127)) << 7) >> (14 - ((log_difference >> 7) & 15))
        output = predicted - (size & 0x3FFF) if negative else predicted + size
        decoded[index] = output
        total = output + from_zeros - predicted  # DQSEZ
        # UPDATE: step.
        sign_0 = 1 if total < 0 else 0
        whole = scale_slow >> 15
        threshold = (32 + ((scale_slow >> 10) & 31)) << whole
        if whole > 9:
            threshold = 31 << 10
        is_transition = is_tone and size > (threshold + (threshold >> 1)) >> 1
        scale_fast = min(5120, max(544, step + ((multipliers[code] - step) >> 5)))
        scale_slow += scale_fast + ((-scale_slow) >> 6)
        # UPDATE: predictor.
        second = 0
        if is_transition:
            poles[:] = 0
            zeros[:] = 0
        else:
            turned = sign_0 != sign_1
            second = poles[1] - (poles[1] >> 7)
            if total != 0:
                first = poles[0] if turned else -poles[0]
                if first < -8191:
                    second -= 256
                elif first > 8191:
                    second += 255
                else:
                    second += first >> 5
                if sign_0 != sign_2:
                    if second <= -12160:
                        second = -12288
                    elif second >= 12416:
                        second = 12288
                    else:
                        second -= 128
                elif second <= -12416:
                    second = -12288
                elif second >= 12160:
                    second = 12288
                else:
                    second += 128
            poles[1] = second
            poles[0] -= poles[0] >> 8
            if total != 0:
                poles[0] += -192 if turned else 192
            limit = 15360 - second
            poles[0] = min(limit, max(-limit, poles[0]))
            for tap in range(6):
                zeros[tap] -= zeros[tap] >> leak_shift
                if size != 0:
                    zeros[tap] += 128 if negative == difference_is_negative[tap] else -128
        for tap in range(5, 0, -1):
            past_difference[tap] = past_difference[tap - 1]
            difference_is_negative[tap] = difference_is_negative[tap - 1]
        past_difference[0] = _to_float(size)
        difference_is_negative[0] = negative
        past_output[1] = past_output[0]
        output_is_negative[1] = output_is_negative[0]
        past_output[0] = _to_float(output)
        output_is_negative[0] = output < 0
        sign_2 = sign_1
        sign_1 = sign_0
        is_tone = not is_transition and second < -11776
        # FILTA, FILTB, FILTC: the speed of adaptation.
        speed_short += (speeds[code] - speed_short) >> 5
        speed_long += ((speeds[code] << 2) - speed_long) >> 7
        if is_transition:
            speed_mix = 256
        elif step < 1536 or is_tone or abs((speed_short << 2) - speed_long) >= speed_long >> 3:
            speed_mix += (512 - speed_mix) >> 4
        else:
            speed_mix += (-speed_mix) >> 4
    return decoded
