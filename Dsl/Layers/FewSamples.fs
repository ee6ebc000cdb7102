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

let private isSmall (x: torch.Tensor) =
    let mutable elements = 1L

    for axis in 0 .. int (min 4L (x.dim ())) - 1 do
        elements <- elements * x.size axis

    elements <= SmallSample

let private isFlat (kernel: torch.Tensor) =
    kernel.size -2 <= 3L || kernel.size -1 <= 3L

/// Whether this is a single sample that is computed beside one of zeros.
let isAlone (x: torch.Tensor) kernel groups =
    x.size 0 = 1L && groups = 1 && isSmall x && isFlat kernel

/// One more sample behind it as libtorch takes it, the last axis first, by the number of axes.
let private oneMore =
    [| for axes in 0..5 -> [| for place in 1 .. 2 * axes -> if place = 2 * axes then 1L else 0L |] |]

/// A single sample, and one of zeros.
let besideZeros (x: torch.Tensor) =
    torch.nn.functional.pad (x, oneMore[int (x.dim ())], PaddingModes.Constant, 0.0)

/// The dilation of a kernel for few samples, and for many.
[<Struct>]
type Dilations = { Few: int64[]; Many: int64[] }

/// Where a kernel has one pixel, dilation changes nothing but the choice. A greater one stays, for a transposed
/// convolution's output-pad is less than it.
/// <param name="kernel">Its sides.</param>
/// <param name="given">The dilation that the script says, as libtorch takes it.</param>
let dilations (kernel: int list) (given: int64[]) =
    let sides = List.rev kernel

    // A row is an image of height 1.
    if sides |> List.truncate 2 |> List.forall (fun side -> side = 1) then
        let ofAxes = List.replicate (given.Length - kernel.Length) 1 @ kernel

        { Few = Array.map2 (fun side own -> if side = 1 then max 2L own else own) (Array.ofList ofAxes) given
          Many = given }
    else
        { Few = given; Many = given }

/// The one for this input.
let dilation (x: torch.Tensor) (dilations: Dilations) =
    if x.size 0 < Many then dilations.Few else dilations.Many
