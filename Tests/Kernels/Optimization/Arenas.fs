/// Small arenas with given parameters and gradients, and rules of the catalogue.
module CnnCluster.Tests.Kernels.Optimization.Arenas

open System
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization

let fill (target: torch.Tensor) (values: float[]) =
    use source = torch.tensor values
    target.copy_ source |> ignore

let arenaOf (dtype: torch.ScalarType) rule segments (parameters: float list) (gradients: float list) =
    let arena = new ParameterArena(segments, rule, dtype, torch.CPU, 0)
    fill arena.Parameters (List.toArray parameters)
    fill arena.Gradients (List.toArray gradients)
    arena

let plain = Sgd(0.1, 0.0, false)

let values (tensor: torch.Tensor) =
    use wide = tensor.``to`` (torch.ScalarType.Float64)
    wide.data<float>().ToArray() |> List.ofArray

/// Parameters, then each state.
let contents (arena: ParameterArena) =
    [ for tensor in Seq.append [ arena.Parameters ] arena.States -> values tensor |> Array.ofList ]

/// The settings of a rule of the catalogue: its defaults, but for these.
let settingsOf (definition: UpdateRuleDefinition) overrides =
    let chosen = Map overrides

    SettingValues(
        dict
            [ for setting in definition.Settings ->
                  setting.Name,
                  chosen
                  |> Map.tryFind setting.Name
                  |> Option.defaultWith (fun () -> setting.Default.Value) ]
        |> Collections.Generic.Dictionary
    )

let definition name =
    UpdateRules.All |> Seq.find (fun definition -> definition.Name = name)

let ruleOf name overrides =
    let definition = definition name
    definition.Create.Invoke(settingsOf definition overrides)
