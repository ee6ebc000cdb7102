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

let private lastSides (kernel: torch.Tensor) = struct (kernel.size -2, kernel.size -1)

let private isSmall (x: torch.Tensor) =
    (x.shape |> Array.truncate 4 |> Array.fold (*) 1L) <= SmallSample

let private isFlat kernel =
    let struct (height, width) = lastSides kernel
    height <= 3L || width <= 3L

/// Whether this is a single sample that is computed beside one of zeros.
let isAlone (x: torch.Tensor) kernel groups =
    x.size 0 = 1L && groups = 1 && isSmall x && isFlat kernel

/// A single sample is computed beside one of zeros.
let besideAnother (x: torch.Tensor) kernel groups (convolve: torch.Tensor -> torch.Tensor) =
    if isAlone x kernel groups then
        (convolve (torch.cat ([| x; torch.zeros_like x |], 0L))).narrow(0L, 0L, 1L)
    else
        convolve x

/// Where a kernel has one pixel, dilation changes nothing but the choice. A greater one stays, for a transposed
/// convolution's output-pad is less than it.
let dilation (x: torch.Tensor) (kernel: torch.Tensor) (given: int64[]) =
    if x.size 0 < Many && lastSides kernel = struct (1L, 1L) then
        Array.map2 (fun side own -> if side = 1L then max 2L own else own) (Array.skip 2 kernel.shape) given
    else
        given
