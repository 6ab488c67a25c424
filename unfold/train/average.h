// An exponential moving average of a network's weights: often a better model than the weights of the last
// step.
#pragma once

#include "unfold/parameters.h"
#include "unfold/threads.h"

namespace unfold {

/// averaged += (1 - decay) * (parameters - averaged), element by element, so any number of threads gives the
/// same bits; `first`: averaged = parameters. Running statistics are averaged as the weights are
/// (torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn(decay) and use_buffers=True). Instantiated
/// for float and double.
template <class T>
void average(const Parameters<T>& parameters, double decay, bool first, Parameters<T>& averaged,
             ThreadPool& pool);

}  // namespace unfold
