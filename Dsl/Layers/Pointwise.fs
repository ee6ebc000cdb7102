/// Layers that change each element by itself.
module internal CnnCluster.Dsl.Layers.Pointwise

open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Dsl

let rescale =
    let forward (values: ArgumentValues) (call: LayerCall) =
        (call.Input * Scalars.Of(values.Real "scale")).Plus(values.Real "offset")

    { Name = "rescale"
      Help =
        { LayerHelp.create
              "Multiplies by a number and adds another, both fixed."
              "kept"
              "input 28x28x1; rescale 1/127.5 offset=-1; conv 8 3" with
            Formula = "y = scale·x + offset"
            Source = "Keras' Rescaling" }
      Arguments =
        [ Arguments.required "scale" (RealNumber(-3.4e38, 3.4e38)) "What each element is multiplied by."
          Arguments.keyword "offset" (RealNumber(-3.4e38, 3.4e38)) (RealValue 0.0) "What is added then." ]
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = fun site -> Ok(LayerPlan.pointwise site (forward site.Arguments)) }

let prelu =
    let forward (call: LayerCall) =
        torch.nn.functional.prelu (call.Input, call.Weights[0])

    let plan (site: LayerSite) =
        let alpha =
            Weights.named site.Arguments "alpha" [ int64 site.Input.Channels ] { In = 1.0; Out = 1.0 }

        Ok
            { LayerPlan.pointwise site forward with
                Weights = [ alpha ]
                MultiplyAdds = site.Input.Elements }

    { Name = "prelu"
      Help =
        { LayerHelp.create
              "ReLU with a learned slope for negative elements, one for each channel."
              "kept"
              "input 28x28x1; conv 8 3; prelu; conv 8 3; prelu alpha-init=constant(0.25)" with
            Formula = "y = x where x > 0, else alpha·x"
            Parameters = "C"
            Cost = "elements of the output"
            Source = "He et al., ICCV 2015"
            Notes =
                [ "Weights: alpha (C). It starts at 0, as in Keras; the paper and PyTorch start at 0.25."
                  "Keras has a slope for each element unless shared_axes says otherwise, PyTorch one for all channels unless num_parameters does."
                  "It stands on a line of its own: it has weights, and so is no activation behind another layer." ] }
      Arguments =
        [ Arguments.initialised "alpha-init" "zeros" "Where the slopes' first values come from."
          Arguments.regularized "alpha-reg" "The slopes' regularization loss."
          Arguments.frozen ]
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = plan }

let all = [ rescale; prelu ]
