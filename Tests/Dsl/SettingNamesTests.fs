module CnnCluster.Tests.Dsl.SettingNamesTests

open Expecto
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Dsl.Syntax
open CnnCluster.Kernels.Optimization
open CnnCluster.Trainer.Data

/// Every setting of every catalogue, with its owner.
let private settings =
    [ for layer in Catalogue.layers do
          for argument in layer.Arguments -> layer.Name, argument.Name
      for rule in UpdateRules.All do
          for setting in rule.Settings -> rule.Name, setting.Name
      for schedule in Schedules.All do
          for setting in schedule.Settings -> schedule.Name, setting.Name
      for loss in Loss.all do
          for setting in loss.Settings -> loss.Name, setting.Name
      for metric in Metric.all do
          for setting in metric.Settings -> metric.Name, setting.Name
      for set in DataSets.All do
          for setting in set.Settings -> set.Name, setting.Name
      for augmentation in Augmentations.All do
          for setting in augmentation.Settings -> augmentation.Name, setting.Name ]

/// The setting that a script with `name=1` sets, as it is read.
let private asRead (name: string) =
    let script, diagnostics =
        Parser.parse
            { File = "t.cnn"
              Text = $"train T {{\n    x {name}=1\n}}\n" }

    match script.Declarations, diagnostics with
    | [ { Kind = Train(_, { Statements = [ { Kind = Use(_, [ Keyword(key, _) ], None) } ] }) } ], [] -> Some key.Text
    | _ -> None

[<Tests>]
let tests =
    testList
        "Dsl.setting names"
        [ for owner, name in settings do
              test $"{owner} {name} can be written in a script" {
                  Expect.equal (asRead name) (Some name) "a hyphen joins only letters"
              } ]
