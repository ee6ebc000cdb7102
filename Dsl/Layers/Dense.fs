/// Flattening, and layers that connect every feature with every unit.
module internal CnnCluster.Dsl.Layers.Dense

open TorchSharp
open CnnCluster.Dsl

let private planFlatten (site: LayerSite) =
    match site.Input.Elements with
    | None ->
        LayerFault.whole
            $"the input, {Shape.text site.Input}, has open sides: 'flatten' needs to know how many features there are"
    | Some elements when elements > int64 System.Int32.MaxValue ->
        LayerFault.whole $"the input, {Shape.text site.Input}, has too many elements for one vector"
    | Some elements ->
        let flat (call: LayerCall) = call.Input.flatten 1L

        Ok
            { LayerPlan.keeping (LayerPlan.stateless (Shape.vector (int elements)) Whole flat) with
                Lanes = Some LaneForm.Flatten }

let flatten =
    { Name = "flatten"
      Help =
        { LayerHelp.create
              "One vector of all elements, in the order channel, height, width."
              "a vector of C·∏n features; the sides must be known"
              "input 5x5x16; flatten; dense 10" with
            Notes = [ "Keras, with channels last, has the order height, width, channel." ] }
      Arguments = []
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = planFlatten }

/// A matrix product picks its kernel by the number of rows, and with it the order of its sums: few rows get other bits
/// than many. In whole blocks of rows a sample's output is the same whatever slice it is in (docs/adr/0005).
[<Literal>]
let private BlockOfRows = 16L

/// What a number of rows over whole blocks is filled up with, as libtorch takes it.
let private filling =
    [| for rest in 0L .. BlockOfRows - 1L -> [| 0L; 0L; 0L; BlockOfRows - rest |] |]

let private inBlocks (x: torch.Tensor) =
    match x.size 0 % BlockOfRows with
    | 0L -> x
    | rest -> torch.nn.functional.pad (x, filling[int rest])

let private forward (call: LayerCall) =
    let rows = inBlocks call.Input

    let output =
        torch.nn.functional.linear (rows, call.Weights[0], Weights.biasOf call.Weights)

    output.narrow (0L, 0L, call.Input.size 0)

let private plan (site: LayerSite) =
    let units, features = site.Arguments.Whole "units", site.Input.Channels

    if site.Input.Rank > 0 then
        Result.Error
            { Argument = None
              Message = $"'dense' takes a vector; here the value is an image of {Shape.text site.Input}"
              Expected = Some "'flatten' in front of it, or 'conv' with a size of 1x1 to act on every pixel" }
    else
        let fans =
            { In = float features
              Out = float units }

        Ok
            { LayerPlan.stateless (Shape.vector units) Whole forward with
                Weights =
                    Weights.kernel site.Arguments [ int64 units; int64 features ] fans
                    :: Weights.bias site.Arguments units fans
                MultiplyAdds = Some(int64 units * int64 features)
                Arithmetic = Arithmetic.Products
                Lanes = Some LaneForm.Dense }

let dense =
    { Name = "dense"
      Help =
        { LayerHelp.create
              "Connects every feature of a vector with every unit."
              "a vector of units features; an image is an error, which suggests flatten or a conv of size 1x1"
              "input 28x28x1; flatten; dense 120 relu; dense 10 kernel-reg=l2(1e-4)" with
            Formula = "y = W·x + bias"
            Parameters = "units·(features + 1); without bias units·features"
            Cost = "units·features"
            Notes = [ "Weights: kernel (units, features), bias (units). Fans: in features, out units." ] }
      Arguments =
        Arguments.required "units" (WholeNumber 1) "How many outputs."
        :: Arguments.weights
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = plan }
