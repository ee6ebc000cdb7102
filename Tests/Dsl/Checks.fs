/// What a test asks of a checked network.
module CnnCluster.Tests.Dsl.Checks

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Dsl.LayerReferences

let network body = "network N {\n" + body + "\n}\n"
let paths (plan: NetworkPlan) = [ for node in plan.Nodes -> node.Path ]

let weights (plan: NetworkPlan) =
    [ for weight in plan.Weights -> weight.Name ]

let messages text =
    [ for d in (Script.Check(source text, catalogues)).Diagnostics -> d.Message ]

let refused text message =
    match messages text with
    | [ one ] -> Expect.stringContains one message text
    | several -> failtest $"{several} for {text}"

let run (plan: NetworkPlan) inputs =
    use _ = torch.no_grad ()
    use network = NetworkModule.Create(plan, 3UL, torch.float64, torch.CPU)
    [ for output in network.Run(List.toArray inputs) -> [ for d in output.shape -> int d ], values output ]

let tensor (data: float list) (dims: int64 list) =
    torch.tensor(Array.ofList data, dtype = torch.float64).reshape(Array.ofList dims)
