/// Convolutions of few samples, computed as libtorch computes them for many: it chooses between two libraries by the
/// number of samples, among other things, and their sums differ in the last bits (docs/adr/0005). Of its conditions
/// (ConvParams::use_mkldnn in aten/src/ATen/native/Convolution.cpp) each of these makes one true for all numbers.
module internal CnnCluster.Dsl.Layers.FewSamples

open TorchSharp

/// Up to so many elements a single sample takes the other way.
[<Literal>]
let private SmallSample = 20480L

/// From so many samples on, a kernel of one pixel goes the way of others.
[<Literal>]
let private Many = 16L

let private lastSides (kernel: torch.Tensor) =
    kernel.shape[kernel.shape.Length - 2], kernel.shape[kernel.shape.Length - 1]

/// A single sample is computed beside one of zeros.
let besideAnother (x: torch.Tensor) kernel groups (convolve: torch.Tensor -> torch.Tensor) =
    let height, width = lastSides kernel
    let elements = x.shape |> Array.truncate 4 |> Array.fold (*) 1L

    if
        x.size 0 = 1L
        && groups = 1
        && elements <= SmallSample
        && not (height > 3L && width > 3L)
    then
        (convolve (torch.cat ([| x; torch.zeros_like x |], 0L))).narrow(0L, 0L, 1L)
    else
        convolve x

/// Where a kernel has one pixel, dilation changes nothing but the choice. A greater one stays, for a transposed
/// convolution's output-pad is less than it.
let dilation (x: torch.Tensor) (kernel: torch.Tensor) (given: int64[]) =
    if x.size 0 < Many && lastSides kernel = (1L, 1L) then
        Array.map2 (fun side own -> if side = 1L then max 2L own else own) (Array.skip 2 kernel.shape) given
    else
        given
