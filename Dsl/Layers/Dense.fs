/// Flattening, and layers that connect every feature with every unit.
module internal CnnCluster.Dsl.Layers.Dense

open TorchSharp
open CnnCluster.Dsl

let private planFlatten (site: LayerSite) =
    match site.Input.Elements with
    | None -> LayerFault.whole $"the input, {Shape.text site.Input}, has open sides: 'flatten' needs to know how many features there are"
    | Some elements when elements > int64 System.Int32.MaxValue ->
        LayerFault.whole $"the input, {Shape.text site.Input}, has too many elements for one vector"
    | Some elements ->
        Ok
            { LayerPlan.pointwise site (fun call -> call.Input.reshape (call.Input.size 0, elements)) with
                Output = Shape.vector (int elements)
                Field = Whole }

let flatten =
    { Name = "flatten"
      Summary = "One vector of all elements, in the order channel, height, width."
      Arguments = []
      Ranks = [ 0; 1; 2; 3 ]
      Plan = planFlatten }

let private forward (call: LayerCall) =
    match call.Weights with
    | [ kernel; bias ] -> torch.nn.functional.linear (call.Input, kernel, bias)
    | _ -> torch.nn.functional.linear (call.Input, List.head call.Weights)

let private plan (site: LayerSite) =
    let units, features = site.Arguments.Whole "units", site.Input.Channels

    if site.Input.Rank > 0 then
        Result.Error
            { Argument = None
              Message = $"'dense' takes a vector; here the value is an image of {Shape.text site.Input}"
              Expected = Some "'flatten' in front of it, or 'conv' with a size of 1x1 to act on every pixel" }
    else
        Ok
            { Output = Shape.vector units
              Field = Whole
              Weights =
                Arguments.kernelAndBias
                    site.Arguments
                    [ int64 units; int64 features ]
                    { In = float features
                      Out = float units }
              Buffers = []
              MultiplyAdds = Some(int64 units * int64 features)
              Forward = forward }

let dense =
    { Name = "dense"
      Summary = "y = W·x + b over a vector."
      Arguments = Arguments.required "units" (WholeNumber 1) "How many outputs." :: Arguments.weights
      Ranks = [ 0; 1; 2; 3 ]
      Plan = plan }
