/// Small arenas with given parameters and gradients.
module CnnCluster.Tests.Kernels.Optimization.Arenas

open TorchSharp
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization

let arenaOf (dtype: torch.ScalarType) rule segments (parameters: float list) (gradients: float list) =
    let arena = new ParameterArena(segments, rule, dtype, torch.CPU, 0)

    for target, values in [ arena.Parameters, parameters; arena.Gradients, gradients ] do
        use source = torch.tensor (List.toArray values)
        target.copy_ source |> ignore

    arena

let plain = Sgd(0.1, 0.0, false)

let values (tensor: torch.Tensor) =
    use wide = tensor.``to`` (torch.ScalarType.Float64)
    wide.data<float>().ToArray() |> List.ofArray
