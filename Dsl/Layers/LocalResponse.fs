/// Local response normalisation (Krizhevsky, Sutskever, Hinton, NeurIPS 2012, section 3.3).
module internal CnnCluster.Dsl.Layers.LocalResponse

open System
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window

let private scalar (value: float) = Scalars.Of value

/// A wider window sees no further channels.
let private widest (channels: int) (size: int) =
    min (int64 size) (2L * int64 channels - 1L)

/// The sum of the squares over `size` channels, of which i is the middle one.
let private sums size =
    let rows =
        OfShape(fun shape -> [| shape[0]; 1L; shape[1]; Array.fold (*) 1L (Array.skip 2 shape) |])

    let shapes = shapes ()
    let kernel, stride, padding = [| size; 1L |], [| 1L; 1L |], [| size / 2L; 0L |]

    fun (x: torch.Tensor) ->
        torch.nn.functional
            .avg_pool2d(
                (x * x).reshape(rows.For x),
                kernel,
                stride = stride,
                padding = padding,
                divisor_override = Nullable 1L
            )
            .reshape(shapes.For x)

/// Square roots are exactly rounded: at the paper's exponent every slice of a batch gives the same bits.
let private power (beta: float) (x: torch.Tensor) =
    if beta = 0.75 then
        let root = x.sqrt ()
        root * root.sqrt ()
    else
        x.pow (scalar beta)

let private normalise (values: ArgumentValues) size =
    let sums = sums size

    fun (call: LayerCall) ->
        let x = call.Input
        let base' = (sums x * scalar (values.Real "alpha")).Plus(values.Real "k")
        x / power (values.Real "beta") base'

let private plan (site: LayerSite) =
    let size = site.Arguments.Whole "size"

    if size % 2 = 0 then
        Result.Error
            { Argument = Some "size"
              Message = $"of {size} channels none is the middle one"
              Expected = Some $"an odd number, such as {size - 1}" }
    else
        let seen = widest site.Input.Channels size

        Ok
            { LayerPlan.pointwise site (normalise site.Arguments seen) with
                MultiplyAdds = site.Input.Elements |> Option.map (fun count -> count * seen) }

let definition =
    { Name = "localresponsenorm"
      Help =
        { LayerHelp.create
              "Divides each element by a power of the squares of its neighbours in other channels."
              "kept"
              "input 28x28x96; localresponsenorm; localresponsenorm 3 alpha=5e-5 k=1" with
            Formula =
                "y[c] = x[c] / (k + alpha·Σⱼ x[j]²)^beta, j from c − (size − 1)/2 to c + (size − 1)/2, as far as there are channels"
            Cost = "elements of the output · size"
            Source = "Krizhevsky, Sutskever, Hinton, NeurIPS 2012, section 3.3"
            Notes =
                [ "Defaults are the paper's, and the sum is not divided by size. PyTorch's LocalResponseNorm divides it, and has k=1: its alpha is size times the one here." ] }
      Arguments =
        [ Arguments.positional "size" (WholeNumber 1) (WholeValue 5) "How many channels are summed; an odd number."
          Arguments.keyword "alpha" (RealNumber(0.0, 1e6)) (RealValue 1e-4) "The weight of the squares."
          Arguments.keyword "beta" (RealNumber(0.0, 100.0)) (RealValue 0.75) "The exponent."
          Arguments.keyword "k" (RealNumber(1e-6, 1e6)) (RealValue 2.0) "Added to the squares." ]
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan }
