module CnnCluster.Tests.Dsl.ScriptTests

open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Scripts

let private two =
    plain + "\nnetwork Other {\n    input 28x28x1\n    flatten\n    dense 10\n}\n"

let private network text (name: string) =
    Script.Network(source text, name, [], catalogues)

/// All of a plan that has an equality.
let private outline (plan: NetworkPlan) =
    plan.Name,
    plan.Inputs,
    [ for node in plan.Nodes ->
          node.Path,
          node.Kind,
          node.Inputs,
          node.InputShapes,
          node.Layer.Output,
          node.Layer.Field,
          node.Layer.MultiplyAdds ],
    [ for weight in plan.Weights -> weight.Name, List.ofSeq weight.Shape, weight.L1, weight.L2 ]

[<Tests>]
let tests =
    testList
        "Dsl.Script"
        [ test "the only network needs no name" { Expect.equal (network plain null).Value.Name "LeNet5" "name" }
          test "of several networks, one is named" {
              Expect.equal (network two "Other").Value.Name "Other" "name"
              let result = network two null
              Expect.stringContains result.Text "several networks" "message"
              Expect.stringContains result.Text "FILE:NAME, with LeNet5 or Other" "message"
          }
          test "an unknown name is refused, with the one that was meant" {
              let text = (network two "Othr").Text
              Expect.stringContains text "no network 'Othr'" "message"
              Expect.stringContains text "did you mean 'Other'" "message"
          }
          test "a script without a train part cannot be trained" {
              let result = training lenet []
              Expect.isNull (box result.Value) "value"
              Expect.stringContains result.Text "the script has no train part" "message"
          }
          test "only the trained network is checked, but all of them by 'check'" {
              let text = plain + "\nnetwork Broken {\n    input 8\n    conv 3 3x3\n}\n"
              Expect.isFalse (training text []).HasErrors "training"
              Expect.isTrue (Script.Check(source text, catalogues)).HasErrors "check"
          }
          test "a given input fills in the open sides" {
              let sample = Shape.ofText "32x48x3"

              let result =
                  Script.Network(source "network N { input ?x?x3; conv 4 3x3 pad=same }", null, [ sample ], catalogues)

              Expect.equal (Shape.text result.Value.OutputShape) "32x48x4" "output"
          }
          test "the canonical script checks to the same plan, and to itself" {
              for text in
                  [ plain
                    "network N { defaults { conv bias=no kernel-reg=l2(1e-4) }\ninput 16x16x3 as x\nlet n = 2*(3+1)\nrepeat i in 1..3 { conv n*i 3x3 pad=[1 0; 0 1] leakyrelu(0.1) }\nif here.channels > x.channels { batchnorm relu } else { tanh }\nflatten; dense 5/5*7 }" ] do
                  let canonical = (Script.Check(source text, catalogues)).Value
                  Expect.equal (outline (plan canonical)) (outline (plan text)) "plan"
                  Expect.equal (Script.Check(source canonical, catalogues)).Value canonical "canonical"
          }
          test "errors come in the order of their places, each once" {
              let result =
                  Script.Check(source "network N { input 8\nrepeat 3 { dense 0 }\ndnese 3\n}", catalogues)

              let lines = [ for d in result.Diagnostics -> d.Span.Start.Line ]
              Expect.equal lines [ 2; 3 ] "lines"
          } ]
