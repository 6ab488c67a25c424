// Convolution by its definition: seven plain loops. The oracle of every other convolution here, and the
// `naive` engine.
#pragma once

#include "unfold/shape.h"

namespace unfold::reference {

// x (N,IC,IH,IW), w (OC,IC/G,KH,KW), b (OC) or null, y (N,OC,OH,OW). Below ih = oh*SH - pad_top + kh*DH and
// iw = ow*SW - pad_left + kw*DW; terms outside the image are left out. Instantiated for float and double;
// sums run in T, in the order of the loops.

/// y[n][oc][oh][ow] = b[oc] + sum over ic, kh, kw of w[oc][ic][kh][kw] * x[n][ic][ih][iw].  Overwrites y.
template <class T>
void conv2d_forward(const Conv2dShape& s, const T* x, const T* w, const T* b, T* y);

/// dx[n][ic][ih][iw] = sum over every (oc, kh, kw, oh, ow) that read it of w[oc][ic][kh][kw] *
/// dy[n][oc][oh][ow]. Overwrites dx. The scatter form: each output adds its share to the pixels it was made
/// of.
template <class T>
void conv2d_backward_data(const Conv2dShape& s, const T* w, const T* dy, T* dx);

/// dw[oc][ic][kh][kw] += sum over n, oh, ow of dy[n][oc][oh][ow] * x[n][ic][ih][iw];
/// db[oc] += sum over n, oh, ow of dy[n][oc][oh][ow].  Accumulates; db may be null.
template <class T>
void conv2d_backward_weights(const Conv2dShape& s, const T* x, const T* dy, T* dw, T* db);

}  // namespace unfold::reference
